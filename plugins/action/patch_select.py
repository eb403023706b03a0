# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pending updates of a host its policy approves, and why."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import first_seen
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching._policy_action import PolicyAction, document, step
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.select import select


class ActionModule(PolicyAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "level": {"type": "dict", "required": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Select, with what the advisory index and earlier runs know of the updates."""
        now = times.now()
        policy = self.policy(now)
        level = document(arguments["level"], "level")
        if level is None or "pending" not in level:
            raise UpkeepError("bad_parameter", "level: it has to be the data that proven.upkeep.patch_level returned.")
        home = self.home()
        seen = partial(self._first_seen, home)
        found = select(level, policy, engine.matched(home, level), seen, now)
        return step(now, {**vars(found), "mode": policy.mode, "policy_sha256": policy.sha256})

    def _first_seen(self, home: Any, wanted: Any) -> Any:
        return first_seen.first_seen(home, runs.newest_first(home), self.inventory_name(), wanted)
