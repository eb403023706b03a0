# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""zypper: the packages of openSUSE and SUSE Linux Enterprise. It has no Python bindings: its command is asked."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, List, Tuple

from ..errors import UpkeepError
from .model import Health, Options, PackageState

if TYPE_CHECKING:
    from ._rpm_view import Facts

# What it takes is imported where it is used: hosts of other managers import this file, too.
_INPUTS = (
    "etc/zypp",
    "etc/os-release",
    "var/cache/zypp/raw",
    "var/lib/zypp/AutoInstalled",
)


def collect(options: Options) -> PackageState:
    """The state of this host's packages.

    Raises UpkeepError: `bindings_missing` (they are demanded, and there are none), `needs_root` (a refresh was
    demanded), `manager_locked`, `package_database_damaged`, `zypper_failed`, `command_failed`.
    """
    from . import _rpm_state
    from ._zypper_ask import Zypper, pid_files

    if options.bindings == "require":
        raise UpkeepError(
            "bindings_missing", "zypper has no Python bindings (bindings: require): let bindings be auto or never."
        )
    zypper = Zypper(options.root)
    asker = _rpm_state.Asker(
        tool="zypper",
        collector="commands",
        remedy="zypper refresh",
        ask=zypper.ask,
        refresh=zypper.refresh,
        may_refresh=lambda facts: os.geteuid() == 0,
        health=partial(_health, options.root),
        pid_files=pid_files(options.root),
    )
    return _rpm_state.collect(options, asker)


def inputs(options: Options) -> List[str]:
    """The files and folders that decide the answer."""
    from . import _refresh_note, _rpm

    root = options.root
    return [
        *(os.path.join(root, path) for path in _INPUTS),
        *_rpm.database_files(root),
        _refresh_note.path("zypper", root),
    ]


def _health(root: str, facts: Facts) -> Tuple[Health, List[str]]:
    """libzypp keeps no record of a transaction that was begun: what one leaves are packages that are there twice."""
    from . import _zypper_ask

    return Health(False, [], _zypper_ask.locker(root)), []
