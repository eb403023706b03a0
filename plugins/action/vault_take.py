# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take an archive out of the vault or a copy, verified and opened, into a folder of the controller."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import places, take


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "backup": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "host": {"type": "str"},
        "at": {"type": "str"},
        "from": {"type": "str", "default": places.FROM_VAULT},
        "identity": {"type": "str"},
        "copies": {"type": "list", "elements": "dict", "default": []},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """In check mode nothing is brought, but what is not there is said."""
        home, name = self.home(), arguments["from"]
        host = arguments["host"] or self.inventory_name()
        identity = home / Path(arguments["identity"]).expanduser() if arguments["identity"] else None
        if name == places.FROM_VAULT:
            place: Any = nullcontext(places.vault(home))
        else:
            place = places.opened(places.named(arguments["copies"], name), arguments["secrets"], home)
        with place as store:
            entry = take.find(store, host, arguments["backup"], arguments["at"], name)
            known_by = None if name == places.FROM_VAULT else take.check_origin(home, entry)
            if self.check:
                return {"skipped": True, "skip_reason": f"check mode: {entry.archive} is there, and is not brought"}
            taken = take.take(store, entry, Path(arguments["dest"]), identity)
        return {
            "changed": True,
            "archive": str(taken.archive),
            "manifest": str(taken.manifest) if taken.manifest else None,
            "origin": f"{store.place}/{take.path_of(entry)}",
            "machine": entry.machine,
            "taken_from": name,
            "known_by": known_by,
            "opened_with": taken.opened_with,
            "sealed": entry.sealed,
            "entry": entry.document(),
        }
