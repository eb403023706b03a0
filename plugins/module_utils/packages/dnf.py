# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dnf 4 and dnf5: the packages of Fedora, RHEL and their kin.

Which of the two it is, and how to ask it, is decided here; the rest is common to both (`_rpm*`), so that the answer is
the same.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Callable, List, Optional, Tuple

from ..errors import UpkeepError
from .model import Options, PackageState

if TYPE_CHECKING:
    from ._rpm import RpmPackage
    from ._rpm_view import Facts

    Ask = Callable[[List[RpmPackage]], Facts]

# What it takes is imported where it is used: hosts of other managers import this file, too.
_PATH = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def collect(options: Options) -> PackageState:
    """The state of this host's packages.

    Raises UpkeepError: `bindings_missing`, `manager_unsupported` (microdnf alone), `needs_root` (a refresh was
    demanded), `package_database_damaged`, `dnf_failed`, `command_failed`.
    """
    from . import _dnf_health, _dnf_refresh, _rpm_state

    command, five = program()
    root = options.root
    there, by_bindings, by_commands = _ways(root, command, five)
    bindings = _use(options.bindings, there, five)
    asker = _rpm_state.Asker(
        tool="dnf",
        collector="bindings" if bindings else "commands",
        remedy="dnf makecache --refresh",
        ask=by_bindings if bindings else by_commands,
        refresh=partial(_dnf_refresh.refresh, command, five, root),
        may_refresh=_may_refresh,
        health=partial(_dnf_health.health, root),
        keepable=partial(_dnf_health.keepable, root),
        pid_files=_dnf_health.pid_files(root),
        logs=_dnf_health.logs(root),
    )
    return _rpm_state.collect(options, asker)


def inputs(options: Options) -> List[str]:
    """The files and folders that decide the answer."""
    from . import _dnf_health

    return _dnf_health.inputs(options.root)


def program() -> Tuple[str, bool]:
    """The path of `dnf`, and whether it is dnf5. On Fedora `dnf` is a link to `dnf5`; where both are, `dnf` decides."""
    command = _which("dnf") or _which("dnf5")
    if command is None:
        raise UpkeepError(
            "manager_unsupported",
            "This host has microdnf only, which cannot say what is pending: install dnf, or leave the host out.",
        )
    return command, os.path.basename(os.path.realpath(command)) == "dnf5"


def _ways(root: str, command: str, five: bool) -> Tuple[bool, Ask, Ask]:
    """Whether the bindings are there, and how to ask them and the commands."""
    if five:
        from . import _dnf5_bindings
        from ._dnf5_commands import Dnf5

        return _dnf5_bindings.available(), partial(_dnf5_bindings.ask, root, command), Dnf5(command, root).ask
    from . import _dnf4

    return _dnf4.available(), partial(_dnf4.by_bindings, root), partial(_dnf4.by_commands, root, command)


def _use(wanted: str, there: bool, five: bool) -> bool:
    if wanted == "require" and not there:
        package = "python3-libdnf5" if five else "python3-dnf"
        raise UpkeepError(
            "bindings_missing",
            f"dnf's Python bindings are required (bindings: require), but this Python has none: `dnf install {package}`"
            " and let ansible_python_interpreter be /usr/bin/python3, or use bindings: auto.",
        )
    return there and wanted != "never"


def _may_refresh(facts: Facts) -> bool:
    folder = facts.paths["cache"]
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK)


def _which(name: str) -> Optional[str]:
    return shutil.which(name, path=os.environ.get("PATH", "") + _PATH)
