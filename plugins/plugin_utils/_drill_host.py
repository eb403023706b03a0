# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions share that rebuild a lost host: they ask modules of the drill host."""

from __future__ import annotations

import shlex
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

    def room(self, what: str, needed: int | None, folder: str) -> dict[str, Any]:
        """One of a set's `rooms`: bytes needed and free on the file system that holds the folder, or will."""
        look = f'd={shlex.quote(folder)}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done; df -Pk "$d"'
        said = self.reached(lambda: self._low_level_execute_command(look, sudoable=True))  # type: ignore[no-untyped-call]
        lines = str(said.get("stdout") or "").splitlines()
        fields = lines[-1].split(maxsplit=5) if lines else []
        known = len(fields) == 6 and fields[3].isdigit()
        free, file_system = (int(fields[3]) * 1024, fields[5]) if known else (None, None)
        return {"for": what, "bytes": needed, "free": free, "file_system": file_system}

    def reached(self, do: Callable[[], Any]) -> Any:
        """What `do` returns. UpkeepError `drill_host_unreachable` where the host is away."""
        try:
            return do()
        except AnsibleConnectionFailure as error:
            raise UpkeepError(
                "drill_host_unreachable", f"{self.inventory_name()} cannot be reached ({error}); look at that machine."
            ) from None
