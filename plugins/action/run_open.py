# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open a run: what it sets out to observe, written down before it starts."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import OFF_HOST_TAGS, PHASE_TAGS
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain
from ansible_collections.proven.upkeep.plugins.plugin_utils.tags import selected_phases
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import wanted

_KNOWN = ", ".join(
    dict.fromkeys([*PHASE_TAGS.values(), *(tag for tags in OFF_HOST_TAGS.values() for tag in tags), "report"])
)


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
        targeted = arguments["hosts"]
        if targeted is None:
            targeted = self._tags("ansible_play_hosts_all", [])
        # An inventory of groups gives its hosts in another order each time: two reports could not be compared.
        targeted = sorted(targeted)
        phases = [observations.validated_phase(phase) for phase in arguments["phases"]]
        if "backup" in phases:
            phases += [phase for phase in self._off_host(targeted) if phase not in phases]
        run_tags = self._tags("ansible_run_tags", ["all"])
        phases = selected_phases(phases, run_tags, self._tags("ansible_skip_tags", []))
        if not phases and not {"all", "report"} & set(run_tags):
            raise UpkeepError("no_phase", f"the tags {', '.join(run_tags)} select no phase; there are {_KNOWN}.")
        if not targeted:
            raise UpkeepError("no_hosts", "no host is targeted: check target, --limit and the inventory.")
        home, run_id = self.home(), self.run_id()
        if phases and not self.check:
            opening = self.opening(phases, targeted, assets=self._assets(targeted))
            run = runs.open_run(home, run_id, arguments["project"] or self.project(), opening)
            run_id = run.run_id
        folder = str(runs.folder(home, run_id))
        return {"run_id": run_id, "upkeep_home": str(home), "folder": folder, "phases": phases, "targeted": targeted}

    def _off_host(self, hosts: list[str]) -> list[str]:
        """Where backups go from there, as the variables of these hosts want it."""
        names = ("backup_sets", "backup_vault", "backup_engine", "backup_copies")
        return wanted.phases({name: self._of_host(host, name) for name in names} for host in hosts)

    def _assets(self, hosts: list[str]) -> dict[str, str]:
        """The hosts that have an asset's name of their own: what is never recorded of them is of that asset too."""
        assets = {host: self._of_host(host, "upkeep_asset_id") for host in hosts}
        return {host: str(asset) for host, asset in assets.items() if asset}

    def _of_host(self, host: str, name: str) -> Any:
        """A variable of a host, or None. One that cannot be had here fails where it is used."""
        try:
            return plain((self.vars.get("hostvars") or {})[host].get(name))
        except (AnsibleError, KeyError, AttributeError):
            return None

    def _tags(self, name: str, default: list[str]) -> list[str]:
        value = plain(self.vars.get(name))
        return default if value is None else [str(each) for each in value]
