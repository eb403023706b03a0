# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Begin a patch run on a host: say who it is, and take over from a run of ours that is dead."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, user
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import claims
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_MODULE = "proven.upkeep.patch_begin"


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    _requires_connection = True
    TRANSFERS_FILES = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "run_id": {"type": "str"},
        "host": {"type": "str"},
        "by": {"type": "dict"},
        "over": {"type": "str"},
        "undo": {"type": "str"},
        "health": {"type": "dict", "default": {}},
        "lock_patience": {"type": "int", "default": 300},
        "manager": {"type": "str", "default": "auto"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The module's result."""
        given = {name: value for name, value in arguments.items() if value is not None}
        given = {"run_id": self.run_id(), "host": self.inventory_name(), "by": claims.by(user()), **given}
        answer = self._begin(given)
        if answer.get("error_code") == "claimed" and "over" not in given:
            over = claims.dead(answer.get("claim") or {})
            if over is not None:
                answer = self._begin({**given, "over": over})
        return answer

    def _begin(self, given: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = plain(self._execute_module(_MODULE, module_args=given, task_vars=self.vars))  # type: ignore[no-untyped-call]
        return answer
