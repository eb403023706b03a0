# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copy a set's archives from the vault to one other place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from ansible.utils.display import Display
from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention as rules
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, locks, names, retention
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import places, run
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import printable

_display = Display()


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "backup": {"type": "str", "required": True},
        "copy": {"type": "dict", "required": True},
        "host": {"type": "str"},
        "keep": {"type": "dict"},
        "verified": {"type": "list", "elements": "str", "default": []},
        "reverify_bytes": {"type": "int", "default": run.REVERIFY_BYTES},
        "sealed_only": {"type": "bool", "default": False},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """One writer at a time to each copy of a set; in check mode nothing is written here or there."""
        home, copy, backup = self.home(), arguments["copy"], arguments["backup"]
        host = arguments["host"] or self.inventory_name()
        name = str(copy.get("name") or "")
        policy = retention.policy({"name": backup, "keep": arguments["keep"]}, None)
        wanted = run.Wanted(
            host=host,
            backup=backup,
            copy=name,
            rules={rule: policy[f"keep_{rule}"] for rule in rules.RULES},
            at_least=policy["keep_at_least"],
            verified=arguments["verified"],
            seen=last_seen(home, host, backup, name),
            reverify_bytes=arguments["reverify_bytes"],
            sealed_only=arguments["sealed_only"],
        )
        try:
            with places.opened(copy, arguments["secrets"], home, to_write=True) as store:
                if self.check:
                    document = run.run(places.vault(home), places.vault(home).path, store, wanted, check=True)
                else:
                    with locks.exclusive(home / "state" / "copies" / f"{names.encode(f'{name} {host} {backup}')}.lock"):
                        document = run.run(places.vault(home), places.vault(home).path, store, wanted, say=_say)
        except UpkeepError as error:
            if error.code == "vault_empty":  # why it is, the vault's own record says
                return {"changed": False, "skipped": True, "skip_reason": f"vault_empty: {error.message}"}
            # Also where it failed before there was anything to tell, the evidence must say which copy it was.
            told = {"schema": run.SCHEMA, "backup": backup, "copy": name, "status": "failed", "reason": error.message}
            raise UpkeepError(error.code, error.message, **{"data": told, **error.details}) from None
        told = {"changed": run.changed(document), "data": document}
        return {**told, "diff": run.diff(document)} if self._task.diff else told


def last_seen(home: Path, host: str, backup: str, copy: str) -> dict[str, str]:
    """When each archive of a copy was last verified, by `created`, as the evidence has it."""
    try:
        document = json.loads(evidence.copy_place(home, host, backup, copy).read_bytes())
        found = {one["created"]: one["verified_at"] for one in document["entries"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {created: when for created, when in found.items() if isinstance(created, str) and isinstance(when, str)}


def _say(text: str) -> None:
    _display.v(printable(text))
