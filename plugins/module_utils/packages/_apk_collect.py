# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apk has, in the shapes of the model: see `apk`.

Debian carries no apk: the tests run it where one is on PATH, and otherwise go by what real ones (2.14 and 3.0) said.
"""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

from .. import times
from ..errors import UpkeepError
from . import _apk_repositories, _refresh_note
from ._apk_database import DATABASE, installed_list, kernels, read_installed, read_world
from ._apk_pending import collect as collect_pending
from ._apk_repositories import Source
from ._locks import locked_by
from ._refresh_note import Refresh
from .model import Health, Options, PackageState


def inputs(options: Options) -> List[str]:
    """See `apk.inputs`."""
    root = options.root
    return [
        os.path.join(root, DATABASE, "installed"),
        os.path.join(root, DATABASE, "installed.new"),
        *(os.path.join(root, "etc/apk", name) for name in ("world", "repositories", "repositories.d", "arch", "keys")),
        os.path.join(root, "lib/apk/repositories.d"),
        os.path.join(root, "usr/share/kernel"),
        *(path for path in (_apk_repositories.index_file(root, each) for each in _sources(root)) if path),
        _apk_repositories.cache_folder(root),
        _refresh_note.path("apk", root),
    ]


def collect(options: Options) -> PackageState:
    """See `apk.collect`."""
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
    lock = os.path.join(database, "lock")
    broken = sorted(name for name, package in packages.items() if package.broken)
    return PackageState(
        metadata=metadata,
        installed=installed_list(packages, world),
        pending=pending,
        removals=removals,
        health=Health(
            interrupted=os.path.exists(os.path.join(database, "installed.new")) and locked_by([lock])[0] is None,
            half_configured=broken,
            unmet_dependencies=[plan.refused] if plan.refused else [],
        ),
        kernels=kernels(root, packages),
        collector="commands",
        tool={"apk": packages["apk-tools"].version} if "apk-tools" in packages else {},
        not_seen=[_apk_repositories.NO_SECURITY],
        changed=refreshed is not None and refreshed.changed,
        locks=[lock],
    )


def _sources(root: str) -> List[Source]:
    return _apk_repositories.sources(root)


def _refresh(root: str, listed: List[Source], options: Options) -> Tuple[Optional[Refresh], List[str]]:
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
