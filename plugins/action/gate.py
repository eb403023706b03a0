# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge the run: print what came of it, close it, and fail where it must."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, observations, processes, rules, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.failures import told_once
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import plural, printable
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part, combined
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build

_DOCUMENTS = ("audits/security.md", gates.REPORT)


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "mode": {"type": "str", "choices": ["run", "report"], "default": "report"},
        "gates_enforce": {"type": "bool", "default": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Summary, gates, verdict, exit."""
        if self.check:
            say(["", "Check mode: nothing was changed and nothing was recorded."])
            return {"verdict": None, "gates": []}
        home = self.home()
        in_report = arguments["mode"] == "report"
        report = self._written(home) if in_report else self._of_this_process(home)
        run_id, broken = report["run"]["run_id"], report["run"]["failures"]
        said: list[str] = []
        if not in_report:
            said, more = _phase_verdicts(report, self._seen(home))
            broken += more
        say(summary.summary(report, _DOCUMENTS if in_report else ()))
        say(said)
        missed = [gate for gate in report["gates"] if gate["status"] != "pass"]
        if in_report:
            self._show_gates(report, missed, arguments["gates_enforce"])
        enforced = missed if in_report and arguments["gates_enforce"] else []
        failures = [*broken, *(_gate_failure(gate) for gate in enforced)]
        runs.close_run(home, run_id, failures, ok=not failures)
        if failures:
            # All of it was just printed, and is in run.json: the error itself stays one line.
            return _failed(broken, enforced)
        return {"verdict": report["verdict"], "gates": report["gates"]}

    def _of_this_process(self, home: Path) -> dict[str, Any]:
        """What this process set out to do: the other processes of its run close themselves."""
        run, process = self.current_run(home), processes.this()
        if run is None or not run.openings_of(process):
            raise UpkeepError("nothing_recorded", "nothing was recorded in this run: no phase of it was run.")
        return build(home, run, [], times.now(), tool(), process)

    def _seen(self, home: Path) -> dict[tuple[str, str], Observation]:
        run = self.current_run(home)
        if run is None:
            return {}
        found = observations.of_process(run, observations.recordings(home, run.run_id), processes.this())
        return {pair: combined(those) for pair, those in found.items()}

    def _written(self, home: Path) -> dict[str, Any]:
        """The report that this process wrote. Without one the run is judged, closed, and failed all the same."""
        run = self.current_run(home)
        written = _load(home / gates.REPORT if run is None else runs.report_file(home, run.run_id))
        if written is not None and (run is None or written.get("process") == processes.this()):
            return written
        if run is None:
            raise UpkeepError("nothing_recorded", f"there is no report in {home / 'reports'}: run the report first.")
        report = build(home, run, [], times.now(), tool())
        missing = "no_report: see the failure above"
        report["run"]["failures"].append(rules.failure_of_run(missing, "no report of this run was written"))
        return report

    def _show_gates(self, report: Mapping[str, Any], missed: Sequence[Any], enforce: bool) -> None:
        say(summary.gate_table(report))
        if report["gates"]:
            note = "" if enforce or not missed else " (not enforced here: gates do not fail this run)"
            say(["", f"Gates: {gates.verdict(report['gates'])}{note}"])


def _load(path: Path) -> dict[str, Any] | None:
    try:
        report = json.loads(path.read_bytes())
        return report if isinstance(report["run"]["run_id"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _phase_verdicts(
    report: Mapping[str, Any], seen: Mapping[tuple[str, str], Observation]
) -> tuple[list[str], list[dict[str, Any]]]:
    """What to say of the phases of a run that ends here, and its failures where it did nothing of what it was for."""
    phases = report["run"]["phases"]
    said: list[str] = []
    failures = []
    if "restore_test" in phases:
        told = [failure for failure in report["run"]["failures"] if failure["phase"] == "restore_test"]
        unseen = [{**failure, "data": None} for failure in told if (failure["host"], "restore_test") not in seen]
        verdict = summary.restore_verdict([*_drills(seen), *unseen])
        said = ["", *verdict]
        if verdict[0] == summary.RESTORE_FAILED and not told:
            failures.append(rules.failure_of_run("nothing_restored: every drill was skipped", "nothing is proven"))
    if phases == ["backup"] and not any(_was_asked_for(part) for each in seen.values() for part in each.outcomes()):
        failures.append(rules.failure_of_run("nothing_backed_up: no set was selected", "there is no new backup"))
    return said, failures


def _was_asked_for(part: Part) -> bool:
    """A set that was selected has a name, even if it was skipped."""
    return part.status != "skipped" or part.name is not None


def _drills(seen: Mapping[tuple[str, str], Observation]) -> list[dict[str, Any]]:
    return [
        {"host": host, "set": part.name, "status": part.status, "reason": part.reason, "data": part.data}
        for (host, phase), each in seen.items()
        if phase == "restore_test"
        for part in each.outcomes()
    ]


def _gate_failure(gate: Mapping[str, Any]) -> dict[str, Any]:
    message = f"gate {gate['id']} is {gate['status']}: {gate['reason']}"
    return {"gate": gate["id"], "status": gate["status"], "reason": gate["reason"], "message": message}


def _failed(broken: Sequence[Mapping[str, Any]], missed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if broken:
        # Ansible says this of whichever host the task ran for, which need not be one that failed.
        told = [printable(message) for message, _file in told_once(broken)]
        more = f" (and {plural(len(told) - 1, 'more failure')})" if len(told) > 1 else ""
        return {"failed": True, "error_code": "run_failed", "msg": f"the run failed: {told[0]}{more}"}
    names = ", ".join(f"{gate['id']} ({gate['status']})" for gate in missed)
    return {"failed": True, "error_code": "gates_failed", "msg": f"gates that do not pass: {names}"}
