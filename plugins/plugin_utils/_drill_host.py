# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions share that rebuild a lost host: they ask modules of the drill host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ._action import UpkeepAction
from .plain import plain


class DrillHostAction(UpkeepAction):
    """An action that works on the controller and on the host of its task."""

    _requires_connection = True

    def ask(self, module: str, given: dict[str, Any], dry: bool = False) -> dict[str, Any]:
        """A module's answer, failed or not; with `dry` in check mode. UpkeepError `drill_host_unreachable`."""
        before, self._task.check_mode = self._task.check_mode, dry
        try:
            answer = self.reached(
                lambda: self._execute_module(f"proven.upkeep.{module}", module_args=given, task_vars=self.vars)  # type: ignore[no-untyped-call]
            )
        finally:
            self._task.check_mode = before
        return plain(answer)  # type: ignore[no-any-return]

    def reached(self, do: Callable[[], Any]) -> Any:
        """What `do` returns. UpkeepError `drill_host_unreachable` where the host is away."""
        try:
            return do()
        except AnsibleConnectionFailure as error:
            raise UpkeepError(
                "drill_host_unreachable", f"{self.inventory_name()} cannot be reached ({error}); look at that machine."
            ) from None
