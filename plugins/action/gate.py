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
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import plural, printable
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
        report = self._written(home) if in_report else self._of_this_run(home)
        say(summary.summary(report, _DOCUMENTS if in_report else ()))
        run_id, broken = report["run"]["run_id"], report["run"]["failures"]
        missed = [gate for gate in report["gates"] if gate["status"] != "pass"]
        if in_report:
            self._show_gates(report, missed, arguments["gates_enforce"])
        elif "restore_test" in report["run"]["phases"]:
            say(["", *summary.restore_verdict(_drills(home, run_id))])
        enforced = missed if in_report and arguments["gates_enforce"] else []
        failures = [*broken, *(_gate_failure(gate) for gate in enforced)]
        runs.close_run(home, run_id, failures, ok=not failures)
        if failures:
            # All of it was just printed, and is in run.json: the error itself stays one line.
            return _failed(broken, enforced)
        return {"verdict": report["verdict"], "gates": report["gates"]}

    def _of_this_run(self, home: Path) -> dict[str, Any]:
        run = self.current_run(home)
        if run is None:
            raise UpkeepError("nothing_recorded", "nothing was recorded in this run: no phase of it was run.")
        return build(home, run, [], times.now(), tool())

    def _written(self, home: Path) -> dict[str, Any]:
        """report.json, if it is this run's. Without one the run is judged, closed, and failed all the same."""
        run = self.current_run(home)
        try:
            report = json.loads((home / gates.REPORT).read_bytes())
            if run is None or report["run"]["run_id"] == run.run_id:
                return report
        except (OSError, ValueError, KeyError, TypeError):
            if run is None:
                raise UpkeepError(
                    "nothing_recorded", f"there is no report in {home / 'reports'}: run the report first."
                )
        report = build(home, run, [], times.now(), tool())
        missing = f"no report of this run was written to {gates.REPORT}: see the failure above"
        report["run"]["failures"].append(
            {
                "host": None,
                "phase": None,
                "set": None,
                "status": "failed",
                "reason": None,
                "message": missing,
                "file": None,
            }
        )
        return report

    def _show_gates(self, report: Mapping[str, Any], missed: Sequence[Any], enforce: bool) -> None:
        say(summary.gate_table(report))
        if report["gates"]:
            note = "" if enforce or not missed else " (not enforced here: gates do not fail this run)"
            say(["", f"Gates: {gates.verdict(report['gates'])}{note}"])


def _drills(home: Path, run_id: str) -> list[dict[str, Any]]:
    return [
        {"host": seen.host, "set": part.name, "status": part.status, "reason": part.reason, "data": part.data}
        for seen in observations.all_seen(home, run_id)
        if seen.phase == "restore_test"
        for part in seen.outcomes()
    ]


def _gate_failure(gate: Mapping[str, Any]) -> dict[str, Any]:
    message = f"gate {gate['id']} is {gate['status']}: {gate['reason']}"
    return {"gate": gate["id"], "status": gate["status"], "reason": gate["reason"], "message": message}


def _failed(broken: Sequence[Mapping[str, Any]], missed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if broken:
        first = printable(broken[0]["message"])
        more = f" (and {plural(len(broken) - 1, 'more failure')})" if len(broken) > 1 else ""
        return {"failed": True, "error_code": "run_failed", "msg": f"{first}{more}"}
    names = ", ".join(f"{gate['id']} ({gate['status']})" for gate in missed)
    return {"failed": True, "error_code": "gates_failed", "msg": f"gates that do not pass: {names}"}
