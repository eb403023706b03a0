# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what a patch run changed on a host, to take it back."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import run_id
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.back import way_back


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "patch_run": {"type": "str", "required": True},
        "host": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The patch document and the plan, or a refusal that says why."""
        started = times.iso(times.now())
        found = way_back(
            self.home(), run_id.validated(arguments["patch_run"]), arguments["host"] or self.inventory_name()
        )
        return {"data": {**found, "started": started, "finished": times.iso(times.now())}}
