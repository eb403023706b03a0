# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Note on a host how far its patch run has come, in the name of this process."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.plugin_utils import processes
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    _requires_connection = True
    TRANSFERS_FILES = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "patch_id": {"type": "str", "required": True},
        "run_id": {"type": "str"},
        "stage": {"type": "str"},
        "drained": {"type": "bool"},
        "reboot": {"type": "dict"},
        "states": {"type": "list", "elements": "dict"},
        "process": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The module's result."""
        given = {name: value for name, value in arguments.items() if value is not None}
        given.setdefault("process", processes.this())
        answer = self._execute_module("proven.upkeep.patch_note", module_args=given, task_vars=self.vars)  # type: ignore[no-untyped-call]
        return dict(plain(answer))
