# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apk: the packages of Alpine Linux, by apk-tools 2 and 3.

Debian carries no apk: the tests run it where one is on PATH, and otherwise go by what real ones (2.14 and 3.0) said.
"""

from __future__ import annotations

import os
import re
from typing import List, Optional, Tuple

from .. import times
from ..errors import UpkeepError
from . import _apk_repositories
from ._apk_database import DATABASE, installed_list, kernels, read_installed, read_world
from ._apk_pending import collect as collect_pending
from ._apk_repositories import Source
from ._files import text_or_none
from ._locks import command_name
from .model import Health, Options, PackageState

# 1: FLOCK  ADVISORY  WRITE 1234 fe:01:131103 0 EOF
_FLOCK = re.compile(r"^\d+: FLOCK +\S+ +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


def inputs(options: Options) -> List[str]:
    """The files and folders that decide the answer."""
    root = options.root
    return [
        os.path.join(root, DATABASE, "installed"),
        *(os.path.join(root, "etc/apk", name) for name in ("world", "repositories", "repositories.d", "arch", "keys")),
        os.path.join(root, "lib/apk/repositories.d"),
        os.path.join(root, "usr/share/kernel"),
        *(path for path in (_apk_repositories.index_file(root, each) for each in _sources(root)) if path),
        _apk_repositories.cache_folder(root),
    ]


def collect(options: Options) -> PackageState:
    """The state of this host's packages.

    Raises UpkeepError: `bindings_missing`, `needs_root` (a refresh was demanded), `package_database_damaged`,
    `command_failed`.
    """
    if options.bindings == "require":
        raise UpkeepError(
            "bindings_missing", "apk is read through its files and commands, without bindings: use bindings: auto."
        )
    root = options.root
    listed = _sources(root)
    refreshed, notes = _refresh(root, listed, options)
    metadata = _apk_repositories.judge(root, listed, options.max_age, times.now(), refreshed)
    metadata.problems += notes
    packages, world = read_installed(root), read_world(root)
    pending, removals, plan = collect_pending(root, packages, world)
    database = os.path.join(root, DATABASE)
    lock, unseen = _locked_by(os.path.join(database, "lock"))
    broken = sorted(name for name, package in packages.items() if package.broken)
    return PackageState(
        metadata=metadata,
        installed=installed_list(packages, world),
        pending=pending,
        removals=removals,
        health=Health(
            interrupted=lock is None and os.path.exists(os.path.join(database, "installed.new")),
            half_configured=broken,
            locked_by=lock,
            unmet_dependencies=[plan.refused] if plan.refused else [],
        ),
        kernels=kernels(root, packages),
        collector="commands",
        tool={"apk": packages["apk-tools"].version} if "apk-tools" in packages else {},
        not_seen=[_apk_repositories.NO_SECURITY, *unseen],
        changed=refreshed is not None and refreshed.changed,
    )


def _sources(root: str) -> List[Source]:
    return _apk_repositories.sources(root)


def _refresh(
    root: str, listed: List[Source], options: Options
) -> Tuple[Optional[_apk_repositories.Refresh], List[str]]:
    """The refresh that was made, if any, and sentences about one that was wanted and not made."""
    if options.refresh == "never" or options.check_mode:
        return None, []
    stale = _apk_repositories.judge(root, listed, options.max_age, times.now(), None).stale
    if options.refresh == "if_stale" and not stale:
        return None, []
    if not _apk_repositories.may_refresh(root):
        folder = _apk_repositories.cache_folder(root)
        if options.refresh == "always":
            raise UpkeepError(
                "needs_root",
                f"refresh: always needs write access to {folder}: run it as root (become: true), or let refresh be "
                "never or if_stale.",
            )
        return None, [f"The package lists are stale, and only root may refresh them ({folder})."]
    return _apk_repositories.refresh(root, listed), []


def _locked_by(path: str) -> Tuple[Optional[str], List[str]]:
    """Who holds apk's lock, by the kernel's table: apk uses flock, which cannot be asked for."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None, []
    except OSError:
        return None, [f"Who holds {path}: only root can ask."]
    for pid, major, minor, inode in _FLOCK.findall(text_or_none("/proc/locks") or ""):
        if int(inode) == status.st_ino and os.makedev(int(major, 16), int(minor, 16)) == status.st_dev:
            return f"{pid} {command_name(int(pid))}", []
    return None, []
