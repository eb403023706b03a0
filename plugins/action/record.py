# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a phase saw on a host: the observation, its evidence, and one line for a person."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, observations, outcome, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.line import lines
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_CHECK_FAILED = "check_failed"
_WIDEST_HOST = 24
_NOTHING_DONE = ("no_data: ", "nothing_verified: ", "incomplete: ", "censored: ")


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "required": True},
        "result": {"type": "raw"},
        "host": {"type": "str"},
        "name": {"type": "str"},
        "sets": {"type": "list", "elements": "dict", "default": []},
        "if_missing": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Write the observation and its evidence; in check mode, show it and fail where it is a failure."""
        result = arguments["result"]
        if self.check and isinstance(result, dict) and result.get("error_code") == _CHECK_FAILED:
            # A rescue after this action itself failed: all was said already.
            return {"recorded": False, "failed": True, "msg": result.get("msg"), "error_code": _CHECK_FAILED}
        observation = self._observe(arguments)
        home = self.home()
        run = self.current_run(home)
        if run is not None:
            observation.run_id, observation.project = run.run_id, run.project
        if arguments["if_missing"] and self._has_one(home, observation):
            return {"recorded": False, "status": observation.status, "reason": observation.reason}
        say(lines(observation, self._host_width(observation.host)))
        told = {"recorded": not self.check, "status": observation.status, "reason": observation.reason}
        if self.check:
            failed = observation.status in ("failed", "unknown")
            return {**told, "failed": True, "msg": observation.reason, "error_code": _CHECK_FAILED} if failed else told
        if run is None:
            opening = self.opening([observation.phase], [observation.host])
            run = runs.open_run(home, observation.run_id, observation.project, opening)
        path = observations.add(home, observation)
        published = evidence.publish(home, observation, run)
        return {**told, "file": str(path), "evidence": [str(each) for each in published]}

    def _observe(self, arguments: dict[str, Any]) -> Observation:
        phase = observations.validated_phase(arguments["phase"])
        host = arguments["host"] or self.inventory_name()
        own = host == self.inventory_name()
        parts, as_list = outcome.parts_of(phase, arguments["result"], arguments["name"])
        if self.check:
            parts = [_predicted(part) for part in parts]
        targets = {each.get("name"): each for each in arguments["sets"]}
        for part in parts:
            if phase == "restore_test" and isinstance(part.data, dict) and part.name in targets:
                part.data = outcome.with_targets(part.data, targets[part.name])
        started, finished = _times(parts)
        observation = Observation(
            run_id=self.run_id(),
            project=self.project(),
            host=host,
            asset=str((self.variable("upkeep_asset_id") if own else None) or host),
            phase=phase,
            status="unknown",
            reason=None,
            started=started,
            finished=finished,
            name=arguments["name"],
            tool=tool(),
        )
        observation.hold(parts, as_list)
        return observation

    def _has_one(self, home: Any, observation: Observation) -> bool:
        earlier = observations.recorded(home, observation.run_id, observation.host, observation.phase)
        return any(each.name == observation.name for each in earlier)

    def _host_width(self, host: str) -> int:
        names = plain(self.vars.get("ansible_play_hosts_all")) or []
        return min(max(len(name) for name in [*names, host]), _WIDEST_HOST)


def _predicted(part: Part) -> Part:
    """In check mode a module that did nothing has nothing to show; that is no failure."""
    if (part.reason or "").startswith(_NOTHING_DONE):
        return Part(part.name, "skipped", "check mode: nothing was done", part.duration_ms, part.changed, part.data)
    return part


def _times(parts: list[Any]) -> tuple[str, str]:
    """The data's own times where it has them; else it ended now and took as long as it says."""
    spans = [(part.data["started"], part.data["finished"]) for part in parts if _has_times(part.data)]
    if spans:
        return min(span[0] for span in spans), max(span[1] for span in spans)
    now = times.now()
    took = sum(part.duration_ms or 0 for part in parts) / 1000
    return times.from_timestamp(now.timestamp() - took), times.iso(now)


def _has_times(data: Any) -> bool:
    try:
        return isinstance(data, dict) and times.parse(data["started"]) <= times.parse(data["finished"])
    except (KeyError, TypeError, ValueError):
        return False
