# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the action plugins share: the border to Ansible. Behind it there is plain data only."""

from __future__ import annotations

import getpass
import os
import platform
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import home as homes
from . import run_id as run_ids
from . import runs
from .documents.text import printable
from .plain import plain

display = Display()
_RUN_ID_VARIABLES = ("awx_workflow_job_id", "tower_workflow_job_id", "awx_job_id", "tower_job_id")


class UpkeepAction(ActionBase):
    """An action that works on the controller alone. A subclass gives `ARGUMENTS` and `act`."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False
    ARGUMENTS: ClassVar[dict[str, Any]] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Parse, act, and turn an UpkeepError into a failed result."""
        result = super().run(tmp, task_vars)
        del tmp
        self.vars = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)[1]
        result["changed"] = False
        try:
            result.update(self.act(plain(arguments)))
        except UpkeepError as error:
            result.update(failed=True, **error.result())
        except OSError as error:
            told = f"{error.strerror}: {error.filename}" if error.filename else str(error)
            result.update(failed=True, error_code="home_unwritable", msg=f"evidence cannot be written or read: {told}.")
        return result

    @abstractmethod
    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The action's work, over plain arguments; what it returns goes into the task's result."""

    @property
    def check(self) -> bool:
        """Whether this is check mode, in which nothing is written."""
        return bool(self._task.check_mode)

    def variable(self, name: str) -> Any:
        """A task variable, templated, as plain data."""
        raw = self.vars.get(name)
        return None if raw is None else plain(self._templar.template(raw))

    def home(self) -> Path:
        """`upkeep_home`, with its folders made, or as it is in check mode."""
        found = homes.resolve(homes.explicit(self.vars, self.variable))
        if found.warning:
            display.warning(found.warning)
        if not self.check:
            homes.ensure_home(found.path)
        return found.path

    def run_id(self) -> str:
        """The id of the run that this process belongs to."""
        return run_ids.current({name: self.variable(name) for name in _RUN_ID_VARIABLES})

    def current_run(self, home: Path) -> runs.Run | None:
        """The run that this process opened, or None."""
        return runs.of_this_process(home, self.run_id())

    def project(self) -> str:
        """The maintained project: the variable upkeep_project, else $PROJ, else `upkeep`."""
        return str(self.variable("upkeep_project") or os.environ.get("PROJ") or "upkeep")

    def inventory_name(self) -> str:
        """The host that this task is for."""
        return str(plain(self.vars.get("inventory_hostname") or "localhost"))

    def opening(self, phases: list[str], targeted: list[str], **more: Any) -> runs.Opening:
        """What this process sets out to do. Neither arguments nor extra variables are kept: they can hold secrets."""
        options: Mapping[str, Any] = context.CLIARGS
        return runs.Opening(
            phases=phases,
            targeted=targeted,
            playbook=", ".join(os.path.basename(str(name)) for name in options.get("args") or ()) or None,
            check=self.check,
            limit=plain(options.get("subset")) or None,
            tags=[tag for tag in plain(options.get("tags") or ()) if tag != "all"],
            user=user(),
            tool=tool(),
            **more,
        )


def tool() -> dict[str, str]:
    """Versions, for every document's `tool`."""
    return {"collection": VERSION, "python": platform.python_version(), "ansible": ansible_version}


def say(lines: list[str]) -> None:
    """Lines for a person, on the screen and in the log."""
    for line in lines:
        display.display(printable(line))


def user() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
