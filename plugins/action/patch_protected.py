# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a proven backup, young enough, stands behind a host before it is changed."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import protection
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching._policy_action import PolicyAction, step


class ActionModule(PolicyAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Each set that counts, from the evidence under `upkeep_home`."""
        del arguments
        now = times.now()
        policy = self.policy(now)
        names = self.backup_sets(policy)
        sets = protection.look(self.home(), self.inventory_name(), names, policy.backup_max_age, now)
        why = [f"{each['backup']}: {each['why']}" for each in sets if not each["ok"]]
        if not sets:
            why = ["the host has no backup set: name some in backup_sets, or set patch_backup: skip"]
        return step(now, {"protected": not why, "why": "; ".join(why) or None, "sets": sets})
