# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host may start its patch run now, by its policy and by what the run has recorded so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.patching import health
from ansible_collections.proven.upkeep.plugins.plugin_utils import runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import rings
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching._policy_action import PolicyAction, step
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.admission import Asked, admit
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class ActionModule(PolicyAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "ring": {"type": "str"},
        "rings": {"type": "list", "elements": "str"},
        "begun": {"type": "str"},
        "only_check": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Check the whole policy; then see whether rings, windows and budget let the host start."""
        now = times.now()
        policy = self.policy(now)
        health.parse(self.variable("patch_health"))
        if policy.backup != "skip":
            self.backup_sets(policy)
        if arguments["only_check"]:
            return step(now, {"policy_sha256": policy.sha256})
        home = self.home()
        run = None if self.check else self.current_run(home)
        run_id = run.run_id if run else self.run_id()
        asked = Asked(
            host=self.inventory_name(),
            names=arguments["rings"] or self._named(),
            groups=self._groups(arguments["ring"]),
            targeted=self._targeted(run),
            run=run,
            run_id=run_id,
            only_plans=self.check or policy.mode == "report",
            begun=arguments["begun"],
        )
        found = admit(home, policy, asked, now)
        return {"run_id": run_id, **step(now, {**vars(found), "policy_sha256": policy.sha256, "run_id": run_id})}

    def _named(self) -> Sequence[str]:
        """The rings as the playbook names them: a list, or one text with commas."""
        given = self.variable("patch_rings")
        names = given.split(",") if isinstance(given, str) else given or []
        return [name for each in names if (name := str(each).strip())] or rings.DEFAULT

    def _groups(self, ring: str | None) -> dict[str, list[str]]:
        """The inventory's groups, with the host in the ring that it is said to be in."""
        groups = plain(self.vars.get("groups")) or {}
        if not ring:
            return groups
        host = self.inventory_name()
        others = {name: [each for each in hosts if each != host] for name, hosts in groups.items()}
        return {**others, ring: [*others.get(ring, []), host]}

    def _targeted(self, run: runs.Run | None) -> list[str]:
        """The hosts that the run set out to patch."""
        expected = [host for host, phase in run.expected() if phase == "patch"] if run else []
        return expected or plain(self.vars.get("ansible_play_hosts_all")) or [self.inventory_name()]
