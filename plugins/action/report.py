# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the report from the run folder and the evidence, and write it and its documents."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    gates,
    history,
    interrupted,
    locks,
    processes,
    run_id,
    runs,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, display, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import security
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "gates": {"type": "list", "elements": "dict", "default": []},
        "keep_runs": {"type": "int", "default": 200},
        "run_id": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Mark what was killed, build, write, prune."""
        policy = gates.parse(arguments["gates"])
        if arguments["keep_runs"] < 1:
            raise UpkeepError("bad_keep_runs", f"keep_runs is {arguments['keep_runs']}: give at least 1.")
        if self.check:
            return {"skipped": True, "msg": "check mode: nothing was recorded, so no report is written"}
        home = self.home()
        for killed in interrupted.mark(home):
            display.warning(f"run {killed} was killed: it is marked interrupted, and what it did not record is unknown")
        run = self._run(home, arguments["run_id"])
        report = build(home, run, policy, times.now(), tool())
        report["process"] = processes.this()
        files = {"report": home / gates.REPORT, "security": home / "audits" / "security.md"}
        # Two runs at once: documents and report are of the same run, and each run has its own report besides.
        with locks.exclusive(home / "state" / "reports.lock"):
            atomic.write_text(str(files["security"]), security.render(report))
            atomic.write_json(str(files["report"]), report)
        # Last: the run's own report means that the documents are there.
        atomic.write_json(str(runs.report_file(home, run.run_id)), report)
        pruned = history.prune(home, arguments["keep_runs"])
        return {
            "run_id": run.run_id,
            "files": {name: str(path) for name, path in files.items()},
            "fleet": report["fleet"],
            "summary": report["summary"],
            "verdict": report["verdict"],
            "pruned_runs": pruned,
        }

    def _run(self, home: Any, wanted: str | None) -> runs.Run:
        if wanted:
            run = runs.load(home, run_id.validated(wanted))
            if run is None:
                raise UpkeepError("no_such_run", f"there is no run {wanted} in {home / 'runs'}.", run_id=wanted)
            return run
        newest = runs.newest_first(home)
        # Another process's run that still goes on has not seen all that it will see.
        ended = [run for run in newest if run.state != "running"]
        run = self.current_run(home) or next(iter(ended or newest), None)
        if run is None:
            raise UpkeepError("nothing_recorded", f"{home / 'runs'} holds no run: there is nothing to report on.")
        return run
