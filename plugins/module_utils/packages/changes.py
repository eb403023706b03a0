# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which package managers Upkeep can change packages with: a line each, and a function that imports it when asked for.

The imports are spelled out since Ansible sends to a host what it finds imported by name.
"""

from __future__ import annotations

from typing import Callable, Dict

from ..errors import UpkeepError
from .transaction import Transactions


def _apt(root: str) -> Transactions:
    from . import apt_change

    return apt_change.Apt(root)


def _dnf(root: str) -> Transactions:
    from . import dnf_change

    return dnf_change.Dnf(root)


def _zypper(root: str) -> Transactions:
    from . import zypper_change

    return zypper_change.Zypper(root)


def _apk(root: str) -> Transactions:
    from . import apk_change

    return apk_change.Apk(root)


def _pacman(root: str) -> Transactions:
    from . import pacman_change

    return pacman_change.Pacman(root)


CHANGES: Dict[str, Callable[[str], Transactions]] = {
    "apt": _apt,
    "dnf": _dnf,
    "zypper": _zypper,
    "apk": _apk,
    "pacman": _pacman,
}


def transactions(manager: str, root: str = "/") -> Transactions:
    """What `manager` (a name, as `registry.detect` gives it) does for a patch run; `root` is for tests.

    Raises UpkeepError `manager_unsupported` where Upkeep reads that manager but changes nothing with it.
    """
    if manager not in CHANGES:
        raise UpkeepError(
            "manager_unsupported",
            f"Upkeep cannot change packages with {manager}, only with {', '.join(CHANGES)}: leave this host out.",
            manager=manager,
        )
    return CHANGES[manager](root)
