# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which package manager a host has, and which of them Upkeep can read: a line each."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Tuple

from ..errors import UpkeepError
from . import apk, apt, dnf, pacman, zypper
from .host import os_release
from .model import Options, PackageState


@dataclass(frozen=True)
class Manager:
    """`commands`: any of them shows that it is there. `families`: words of os-release's ID or ID_LIKE that have it.

    `inputs` names the files and folders that `collect` reads: as long as none of them changes, its answer does not.
    """

    commands: Tuple[str, ...]
    families: Tuple[str, ...]
    collect: Callable[[Options], PackageState]
    inputs: Callable[[Options], List[str]]


MANAGERS: Dict[str, Manager] = {
    "apt": Manager(("apt-get",), ("debian", "ubuntu"), apt.collect, apt.inputs),
    "dnf": Manager(("dnf5", "dnf", "microdnf"), ("fedora", "rhel", "centos", "amzn"), dnf.collect, dnf.inputs),
    "zypper": Manager(("zypper",), ("suse", "opensuse", "sles"), zypper.collect, zypper.inputs),
    "apk": Manager(("apk",), ("alpine",), apk.collect, apk.inputs),
    "pacman": Manager(("pacman",), ("arch",), pacman.collect, pacman.inputs),
}


def choose(wanted: str, release: Mapping[str, str], present: Callable[[str], bool]) -> str:
    """The name of the manager to use: `wanted`, or with `auto` the distribution's own, else the first that is there.

    A Debian host may have dnf or pacman installed as tools: the distribution decides before the commands do.
    `release` is os-release, `present` tells whether a command is there. Raises UpkeepError `manager_unknown` (none is
    there) or `manager_missing` (the one asked for is not).
    """
    if wanted != "auto":
        if not any(map(present, MANAGERS[wanted].commands)):
            raise UpkeepError("manager_missing", f"manager: {wanted} is set, but this host has no {wanted}.")
        return wanted
    words = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    there = [name for name, manager in MANAGERS.items() if any(map(present, manager.commands))]
    if not there:
        raise UpkeepError(
            "manager_unknown",
            f"No package manager that Upkeep knows is on this host (looked for {', '.join(MANAGERS)}).",
            looked_for=list(MANAGERS),
        )
    for word in words:
        for name in there:
            if any(word == family or word.startswith(family + "-") for family in MANAGERS[name].families):
                return name
    return there[0]


def detect(wanted: str) -> str:
    """`choose` for this host."""
    folders = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    return choose(wanted, os_release(), lambda command: shutil.which(command, path=folders) is not None)
