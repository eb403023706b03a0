# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open a run: what it sets out to observe, written down before it starts."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import PHASE_TAGS
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain
from ansible_collections.proven.upkeep.plugins.plugin_utils.tags import selected_phases

_KNOWN = ", ".join([*PHASE_TAGS.values(), "report"])


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
        run_tags = self._tags("ansible_run_tags", ["all"])
        phases = selected_phases(wanted, run_tags, self._tags("ansible_skip_tags", []))
        if not phases and not {"all", "report"} & set(run_tags):
            raise UpkeepError("no_phase", f"the tags {', '.join(run_tags)} select no phase; there are {_KNOWN}.")
        targeted = arguments["hosts"]
        if targeted is None:
            targeted = self._tags("ansible_play_hosts_all", [])
        # An inventory of groups gives its hosts in another order each time: two reports could not be compared.
        targeted = sorted(targeted)
        if not targeted:
            raise UpkeepError("no_hosts", "no host is targeted: check target, --limit and the inventory.")
        home, run_id = self.home(), self.run_id()
        if phases and not self.check:
            opening = self.opening(phases, targeted, assets=self._assets(targeted))
            run = runs.open_run(home, run_id, arguments["project"] or self.project(), opening)
            run_id = run.run_id
        folder = str(runs.folder(home, run_id))
        return {"run_id": run_id, "upkeep_home": str(home), "folder": folder, "phases": phases, "targeted": targeted}

    def _assets(self, hosts: list[str]) -> dict[str, str]:
        """The hosts that have an asset's name of their own: what is never recorded of them is of that asset too."""
        assets = {}
        for host in hosts:
            try:
                asset = plain((self.vars.get("hostvars") or {})[host].get("upkeep_asset_id"))
            except (
                AnsibleError,
                KeyError,
                AttributeError,
            ):  # a variable that cannot be had here fails where it is used
                continue
            if asset:
                assets[host] = str(asset)
        return assets

    def _tags(self, name: str, default: list[str]) -> list[str]:
        value = plain(self.vars.get(name))
        return default if value is None else [str(each) for each in value]
