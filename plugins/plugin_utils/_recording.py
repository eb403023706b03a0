# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What recording is, whoever asks for it: the observation, its evidence, its line, and whether that fails the task."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import clock, evidence, observations, processes, proofs, runs, signing
from ._action import UpkeepAction, say, tool
from .documents.line import lines
from .observation import BAD, Observation, Part
from .plain import plain

CHECK_FAILED = "check_failed"
_WIDEST_HOST = 24


class RecordingAction(UpkeepAction):
    """An action that records an observation."""

    def observed(self, phase: str, host: str, parts: list[Part], as_list: bool, name: str | None = None) -> Observation:
        """The observation of `parts`, as this process makes it."""
        own = host == self.inventory_name()
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
            name=name,
            process=processes.this(),
            tool=tool(),
        )
        observation.hold(parts, as_list)
        return observation

    def recorded(self, observation: Observation, if_missing: bool = False, key: str | None = None) -> dict[str, Any]:
        """Write the observation and its evidence; in check mode, show it and fail where it is a failure.

        `if_missing`: only where this process has not recorded a failure of it already. `key` signs proofs.
        """
        home = self.home()
        run = self.current_run(home)
        if run is not None:
            observation.run_id, observation.project = run.run_id, run.project
            _judge_clock(observation, run)
        failed_already = self._failed_already(home, observation) if if_missing else None
        if failed_already is not None:
            return self._judged(run, failed_already, {"recorded": False})
        if self.check:
            self._say(observation)
            told = {"recorded": False, "status": observation.status, "reason": observation.reason}
            failed = observation.status in ("failed", "unknown")
            return {**told, "failed": True, "msg": observation.reason, "error_code": CHECK_FAILED} if failed else told
        opened = run
        if run is None:
            opening = self.opening([observation.phase], [observation.host], opened_by="record")
            run = runs.open_run(home, observation.run_id, observation.project, opening)
        # The evidence first: an observation that says ok must not be there without it, however this ends.
        published = self.publish(home, observation, run, key)
        path = observations.add(home, observation)
        self._say(observation)
        written = {"recorded": True, "file": str(path), "evidence": [str(each) for each in published]}
        return self._judged(opened, observation, written)

    def publish(self, home: Path, observation: Observation, run: runs.Run, key: str | None) -> list[Path]:
        """The observation's evidence; returns the files."""
        return _publish(home, observation, run, self._signer(home, key))

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
