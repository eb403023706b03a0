# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the audits of a recorded patch level share: which one they look at, and since when a finding is open."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ansible_collections.proven.upkeep.plugins.module_utils import times

from . import audits, runs, sla
from ._action import UpkeepAction
from .observation import Observation


class Looked(NamedTuple):
    """What an engine looks at: a patch level that is ok."""

    home: Path
    seen: Observation
    now: datetime


class AuditAction(UpkeepAction):
    """An audit engine on the controller. A subclass gives `ENGINE` and `look`."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "max_age": {"type": "int", "default": 86400},
    }
    ENGINE: ClassVar[str] = ""

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Findings from this run's patch level, else from the last one that is young enough."""
        if self.check:
            return {"skipped": True, "msg": "check mode: nothing was recorded that could be audited"}
        home, now, host = self.home(), times.now(), self.inventory_name()
        newest_first = runs.newest_first(home)
        engine, found = self._looked(home, host, newest_first, arguments["max_age"], now)
        asset = self.variable("upkeep_asset_id")
        known = audits.memory(home, newest_first, host, self.ENGINE, str(asset) if asset else None)
        if engine["status"] == "unknown" or engine.pop("partial", False):
            engine["remembered"] = audits.forgotten(known, found)
        return {"data": {"engines": [engine], "findings": sla.all_started(found, known, now)}}

    def blank(self) -> dict[str, Any]:
        """The engine before it has looked."""
        return {"name": self.ENGINE, "status": "unknown", "reason": None, "findings": 0}

    def look_without_level(self, home: Path) -> dict[str, Any] | None:
        """What the engine says before it has seen a patch level; None: it wants to see one."""
        del home
        return None

    @abstractmethod
    def look(self, looked: Looked) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """(what the engine says of itself, what it found); `partial`: there may be more that it could not see."""

    def _looked(
        self, home: Path, host: str, newest_first: list[runs.Run], max_age: int, now: datetime
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        engine = self.blank()
        said = self.look_without_level(home)
        if said is not None:
            return {**engine, **said}, []
        seen = audits.patch_level(home, self.current_run(home), newest_first, host, max_age, now)
        if isinstance(seen, str):
            return {**engine, "reason": seen}, []
        engine.update(run_id=seen.run_id, collected=seen.finished)
        if seen.status != "ok" or not isinstance(seen.data, dict):
            return {**engine, "reason": f"the patch level is {seen.status}: {seen.reason}"}, []
        said, found = self.look(Looked(home, seen, now))
        return {**engine, **said, "findings": len(found)}, found
