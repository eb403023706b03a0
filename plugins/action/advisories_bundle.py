# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carry the advisory index in one file, out of here or into here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.plugin_utils import locks
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import bundle
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE, LOCK
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import size


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
        "path": {"type": "path", "required": True},
        "force": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """One or the other; in check mode an import is read and compared, and nothing is written."""
        home, path = self.home(), Path(arguments["path"])
        if arguments["state"] == "exported":
            return self._export(home, path)
        if self.check:
            done = bundle.import_(path, home / FILE, arguments["force"], check=True)
        else:
            with locks.exclusive(home / LOCK):
                done = bundle.import_(path, home / FILE, arguments["force"])
        took = f"{'would take' if self.check else 'took'} {', '.join(done['sources'])}"
        say([f"advisories: {took if done['changed'] else 'nothing new'} from {path}, made {done['manifest']['made']}"])
        return {"changed": done["changed"], "file": str(path), "sources": done["sources"], "manifest": done["manifest"]}

    def _export(self, home: Path, path: Path) -> dict[str, Any]:
        if self.check:
            say([f"advisories: would export {home / FILE} to {path}"])
            return {"changed": True, "file": str(path)}
        with locks.exclusive(home / LOCK):
            done = bundle.export(home / FILE, path)
        say([f"advisories: {done['file']}, {size(done['bytes'])}, sha256 {done['sha256']}"])
        return {"changed": True, **done, "sources": [each["name"] for each in done["manifest"]["sources"]]}
