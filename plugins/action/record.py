# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a phase saw on a host: the observation, its evidence, and one line for a person."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    clock,
    evidence,
    observations,
    outcome,
    processes,
    proofs,
    retention,
    runs,
    signing,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.line import lines
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import BAD, Observation, Part
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
        "pruned": {"type": "raw"},
        "if_missing": {"type": "bool", "default": False},
        "proof_signing_key": {"type": "str"},
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
            _judge_clock(observation, run)
        failed_already = self._failed_already(home, observation) if arguments["if_missing"] else None
        if failed_already is not None:
            return self._judged(run, failed_already, {"recorded": False})
        if self.check:
            self._say(observation)
            told = {"recorded": False, "status": observation.status, "reason": observation.reason}
            failed = observation.status in ("failed", "unknown")
            return {**told, "failed": True, "msg": observation.reason, "error_code": _CHECK_FAILED} if failed else told
        opened = run
        if run is None:
            opening = self.opening([observation.phase], [observation.host], opened_by="record")
            run = runs.open_run(home, observation.run_id, observation.project, opening)
        # The evidence first: an observation that says ok must not be there without it, however this ends.
        published = _publish(home, observation, run, self._signer(home, arguments["proof_signing_key"]))
        path = observations.add(home, observation)
        self._say(observation)
        written = {"recorded": True, "file": str(path), "evidence": [str(each) for each in published]}
        return self._judged(opened, observation, written)

    def _say(self, observation: Observation) -> None:
        say(lines(observation, self._host_width(observation.host)))

    def _judged(self, run: runs.Run | None, observation: Observation, told: dict[str, Any]) -> dict[str, Any]:
        """The result. A failure fails the run at its end, so not the task, unless this process has no such end."""
        told = {**told, "status": observation.status, "reason": observation.reason}
        openings = run.openings_of(processes.this()) if run else []
        is_judged_later = any(opening.get("opened_by") == "run_open" for opening in openings)
        if is_judged_later or observation.status not in BAD:
            return told
        message = (
            f"{observation.phase} of host {observation.host} is {observation.status}: {observation.reason} "
            "(this process opened no run that would fail for it at its end)"
        )
        return {**told, "failed": True, "msg": message, "error_code": "run_not_opened"}

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
        retention.hold(parts, arguments["pruned"])
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
            process=processes.this(),
            tool=tool(),
        )
        observation.hold(parts, as_list)
        return observation

    def _failed_already(self, home: Path, observation: Observation) -> Observation | None:
        """The last that this process recorded of it, if that says already that it went wrong."""
        earlier = observations.recorded(home, observation.run_id, observation.host, observation.phase)
        own = [each for each in earlier if (each.name, each.process) == (observation.name, observation.process)]
        return own[-1] if own and own[-1].status in BAD else None

    def _signer(self, home: Path, given: str | None) -> proofs.Signer | None:
        """By the key that the task names, else the variable `proof_signing_key`; relative to `upkeep_home`."""
        key = given or self.variable("proof_signing_key")
        return partial(signing.sign, key=home / Path(str(key)).expanduser()) if key else None

    def _host_width(self, host: str) -> int:
        names = plain(self.vars.get("ansible_play_hosts_all")) or []
        return min(max(len(name) for name in [*names, host]), _WIDEST_HOST)


def _publish(home: Path, observation: Observation, run: runs.Run, sign: proofs.Signer | None) -> list[Path]:
    """Write each set's evidence; a set whose evidence cannot be written has failed, and `observation` says so."""
    published: list[Path] = []
    parts = observation.outcomes()
    for part in parts:
        try:
            published += evidence.publish_part(home, observation, part, run, sign)
        except (OSError, UpkeepError) as error:
            code = "proof_unsigned" if str(getattr(error, "code", "")).startswith("signing_") else "evidence_unwritten"
            told = [f"{code}: {_words(error)}", part.reason if part.status != "ok" else None]
            part.status, part.reason = "failed", "; ".join(text for text in told if text)
    observation.hold(parts, isinstance(observation.data, list))
    return published


def _judge_clock(observation: Observation, run: runs.Run) -> None:
    """Note how far the host's clock is off; where it is, the observation's own times are the controller's."""
    now = times.now()
    data = [part.data for part in observation.outcomes()]
    observation.clock_skew_s = clock.skew_s(observation.phase, data, times.parse(run.started), now)
    if observation.clock_skew_s:
        took = (observation.duration_ms or 0) / 1000
        observation.started, observation.finished = times.from_timestamp(now.timestamp() - took), times.iso(now)


def _words(error: OSError | UpkeepError) -> str:
    if isinstance(error, UpkeepError):
        return error.message
    return f"{error.strerror}: {error.filename}" if error.filename else str(error)


def _predicted(part: Part) -> Part:
    """In check mode a module that did nothing has nothing to show; that is no failure."""
    is_plan = isinstance(part.data, dict) and "refused" in part.data  # a restore's dry run is all there is to see
    if (part.reason or "").startswith(_NOTHING_DONE) and not is_plan:
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
