# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell the story of a patch run, once, at its end."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import locks, run_id, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import patch_story
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import remediation as log
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import recorded, remediation
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.story import story


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"run_id": {"type": "str"}}

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The table on the screen, `patch.md`, and what was fixed."""
        if self.check:
            return {"skipped": True, "msg": "check mode: nothing was recorded, so there is no story"}
        home = self.home()
        wanted = run_id.validated(arguments["run_id"]) if arguments["run_id"] else None
        run = runs.load(home, wanted) if wanted else self.current_run(home)
        if run is None:
            raise UpkeepError("no_such_run", f"there is no run {wanted or self.run_id()} in {home / 'runs'}.")
        fixed = remediation.of_run(home, run)
        told = story(run, recorded.of_run(home, run.run_id), fixed["lines"])
        path = runs.folder(home, run.run_id) / "patch.md"
        atomic.write_text(str(path), patch_story.render(told))
        files = {"story": str(path)}
        # Two runs at once: the log is of all that both have written by then.
        with locks.exclusive(home / "state" / "reports.lock"):
            kept = remediation.write(home, fixed)
            lines = remediation.every(home)
            if lines:
                files["remediation"] = str(home / "audits" / "remediation.md")
                atomic.write_text(files["remediation"], log.render(run.project, lines))
        if kept:
            files["fixed"] = str(kept)
        say(patch_story.screen(told))
        return {
            "run_id": run.run_id,
            "files": files,
            "outcomes": told["outcomes"],
            "states": told["states"],
            "hosts": [
                {key: host[key] for key in ("name", "outcome", "reason", "took_ms", "next")} for host in told["hosts"]
            ],
            "fixed": len([line for line in fixed["lines"] if line["kind"] == "fixed"]),
        }
