# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt knows and would do, as both collectors (bindings, commands) tell it: plain data, equal either way."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from ..errors import UpkeepError

CONFIGURATION = ("main", "parts", "preferences", "preferencesparts", "sourcelist", "sourceparts")
"""The settings below Dir::Etc; the names that end in `parts` are folders."""

Key = Tuple[str, str]
"""(name, architecture); packages of architecture `all` go under the native one, as apt keeps them."""


@dataclass(frozen=True)
class Paths:
    """Where apt's own configuration says that things are (APT_CONFIG and Dir:: are apt's business, not ours).

    `configuration`: every file and folder of it that is there to be read. `solver`: who plans, where that is not apt's
    classic one. `suggests`: whether suggested packages are installed, too.
    """

    status: str
    lists: str
    state: str
    extended_states: str
    archives: str
    sourcelist: str
    sourceparts: str
    pkgcache: str
    native: str
    allow_insecure: bool
    configuration: Tuple[str, ...] = ()
    solver: str = ""
    suggests: bool = False
    default_release: str = ""

    def locks(self) -> List[str]:
        """The files whose lock keeps apt or dpkg from working."""
        admin = os.path.dirname(self.status)
        return [
            os.path.join(admin, "lock-frontend"),
            os.path.join(admin, "lock"),
            os.path.join(self.lists, "lock"),
            os.path.join(self.archives, "lock"),
        ]


# What apt's caches of a release with every suite take, several times over.
_CACHE_ROOM = 256 << 20


def has_cache_room(pkgcache: str, room: int = _CACHE_ROOM) -> bool:
    """Whether apt may write its cache where it is configured to: without room it gives up, and answers nothing at all.

    True where apt is told to keep none.
    """
    folder = os.path.dirname(pkgcache)
    try:
        status = os.statvfs(folder or "/")
    except OSError:  # no such folder: apt's own business
        return True
    return not pkgcache or status.f_bavail * status.f_frsize >= room


@dataclass(frozen=True)
class Version:
    """An available version: `files` names the package lists that offer it, `priority` is its pin priority."""

    version: str
    priority: int
    files: Tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What apt would choose for an installed package, of everything that is newer than what is there."""

    candidate: Optional[str]
    versions: Tuple[Version, ...]


@dataclass(frozen=True)
class Step:
    """One line of a plan; `installed` is None for what would come new."""

    installed: Optional[str]
    version: str
    arch: str


@dataclass
class Plan:
    """What an upgrade would do. `refused`: apt would do nothing at all until the broken dependencies are repaired."""

    install: Dict[Key, Step] = field(default_factory=dict)
    remove: Dict[Key, str] = field(default_factory=dict)
    refused: bool = False

    def only_upgrades(self) -> bool:
        """Whether nothing comes new and nothing goes."""
        return not self.remove and all(step.installed is not None for step in self.install.values())


class AptView(Protocol):
    """How to ask apt. Its two implementations are the bindings and the commands."""

    collector: str

    @property
    def apt_version(self) -> str:
        """As `apt-get --version` says it."""

    def paths(self) -> Paths:
        """Apt's directories and the few settings that matter here."""

    def use(self, excerpt: Optional[Tuple[str, str]]) -> None:
        """From now on, look into the lists in a folder and keep the package cache at a path; None: apt's own again.

        `paths` names apt's own all along.
        """

    def plan(self, full: bool) -> Plan:
        """What `apt-get dist-upgrade` (full) or `apt-get upgrade` would do."""

    def choices(self, keys: Sequence[Key]) -> Dict[Key, Choice]:
        """The available versions of packages. `Version.files` are ids that `Repositories.of_file` understands."""

    def records(self, wanted: Sequence[Tuple[Key, str]]) -> Dict[Tuple[Key, str], Mapping[str, str]]:
        """The control fields (lower-case names) of available versions."""

    def close(self) -> None:
        """Give back what was held (temporary caches)."""


def failed(said: str) -> UpkeepError:
    """Apt gave up, and this is what it says."""
    message = f"apt cannot work with its configuration, lists or status: {said}. Try `apt-get check`."
    return UpkeepError("apt_failed", message)


def native_key(name: str, arch: str, native: str) -> Key:
    """The key of a package in apt's eyes."""
    return (name, native if arch in ("all", "") else arch)
