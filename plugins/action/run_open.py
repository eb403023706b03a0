# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open a run: what it sets out to observe, written down before it starts."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain
from ansible_collections.proven.upkeep.plugins.plugin_utils.tags import selected_phases


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phases": {"type": "list", "elements": "str", "required": True},
        "hosts": {"type": "list", "elements": "str"},
        "project": {"type": "str"},
        "gates": {"type": "list", "elements": "dict", "default": []},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is wrong, then write run.json."""
        gates.parse(arguments["gates"])
        wanted = [observations.validated_phase(phase) for phase in arguments["phases"]]
        phases = selected_phases(wanted, self._tags("ansible_run_tags", ["all"]), self._tags("ansible_skip_tags", []))
        targeted = arguments["hosts"]
        if targeted is None:
            targeted = self._tags("ansible_play_hosts_all", [])
        if not targeted:
            raise UpkeepError("no_hosts", "no host is targeted: check target, --limit and the inventory.")
        home, run_id = self.home(), self.run_id()
        if phases and not self.check:
            run = runs.open_run(home, run_id, arguments["project"] or self.project(), self.opening(phases, targeted))
            run_id = run.run_id
        folder = str(runs.folder(home, run_id))
        return {"run_id": run_id, "upkeep_home": str(home), "folder": folder, "phases": phases, "targeted": targeted}

    def _tags(self, name: str, default: list[str]) -> list[str]:
        value = plain(self.vars.get(name))
        return default if value is None else [str(each) for each in value]
