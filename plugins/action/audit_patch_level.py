# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audit a host's recorded patch level: no round trip to the host."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import findings, history, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "max_age": {"type": "int", "default": 86400},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Findings from this run's patch level, else from the last one that is young enough."""
        if self.check:
            return {"skipped": True, "msg": "check mode: nothing was recorded that could be audited"}
        home = self.home()
        host = self.inventory_name()
        seen = self._patch_level(home, host, arguments["max_age"], times.now())
        engine: dict[str, Any] = {"name": "patch", "status": "unknown", "reason": None, "findings": 0}
        if isinstance(seen, str):
            return _result({**engine, "reason": seen}, [])
        engine.update(run_id=seen.run_id, collected=seen.finished)
        if seen.status != "ok" or not isinstance(seen.data, dict):
            return _result({**engine, "reason": f"the patch level is {seen.status}: {seen.reason}"}, [])
        found = findings.of_patch_level(seen.data, seen.project, seen.asset, seen.finished, seen.clock_skew_s)
        return _result({**engine, "status": "ok", "findings": len(found)}, found)

    def _patch_level(self, home: Path, host: str, max_age: int, now: datetime) -> Observation | str:
        """The observation to audit, or why there is none. What this run tried and did not see is not made good."""
        run = self.current_run(home)
        if run is not None:
            seen = observations.seen(home, run.run_id, host, "patch_level")
            if seen is not None:
                return seen
            if (host, "patch_level") in run.expected():
                return "this run did not record the patch level"
        last = history.last_seen(home, runs.newest_first(home), host, "patch_level")
        if last is None:
            return "no run has recorded the patch level: run the patch phase first"
        try:
            age = (now - times.parse(last.finished)).total_seconds()
        except ValueError:
            return "the last patch level has no time"
        if age > max_age:
            return f"the last patch level is of {last.finished}: run the patch phase again"
        return last


def _result(engine: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data": {"engines": [engine], "findings": found}}
