# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The work behind `apt`. What is common to both ways of asking (`_apt_bindings`, `_apt_commands`) is done here and in
the files that this one calls, so that the answer is the same."""

from __future__ import annotations

import os
from typing import List, Tuple

from .. import times
from ..errors import UpkeepError
from . import _apt_bindings, _apt_excerpt, _apt_freshness, _apt_pending, _dpkg
from ._apt_bindings import Bindings
from ._apt_commands import Commands
from ._apt_repositories import Repositories
from ._apt_view import AptView, Paths
from ._debdeps import Unit, World, unmet
from .model import Health, Options, PackageState, Pending, Removal

# Whether this machine is in an update's phase depends on it.
_MACHINE_ID = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def collect(options: Options) -> PackageState:
    """See `apt.collect`."""
    view = _open(options.bindings)
    try:
        return _collect(view, options)
    finally:
        view.close()


def inputs(options: Options) -> List[str]:
    """See `apt.inputs`. Keyrings and credentials matter to a refresh, which shows by the lists."""
    view = _open(options.bindings)
    try:
        paths = view.paths()
    finally:
        view.close()
    admin = os.path.dirname(paths.status)
    named = [
        paths.status,
        os.path.join(admin, "updates"),
        os.path.join(admin, "arch"),
        paths.extended_states,
        paths.lists,
        os.path.join(paths.state, "periodic"),
        _apt_freshness.note_path(paths),
        *paths.configuration,
        *_MACHINE_ID,
        *([os.environ["APT_CONFIG"]] if "APT_CONFIG" in os.environ else []),
    ]
    return sorted({os.path.normpath(path) for path in named if path})


def _open(bindings: str) -> AptView:
    if bindings == "require" and not _apt_bindings.available():
        raise UpkeepError(
            "bindings_missing",
            "python-apt is required (bindings: require), but this Python has none: `apt-get install python3-apt` and "
            "let ansible_python_interpreter be /usr/bin/python3, or use bindings: auto.",
        )
    if bindings != "never" and _apt_bindings.available():
        return Bindings()
    return Commands()


def _collect(view: AptView, options: Options) -> PackageState:
    paths = view.paths()
    refreshed, notes = _refresh(paths, options)
    repositories = Repositories(paths)
    metadata = _apt_freshness.judge(paths, repositories, options.max_age, times.now(), refreshed)
    metadata.problems += notes
    packages = _dpkg.read_status(paths.status)
    pending, removals, refused = _changes(view, paths, packages, repositories, keep=not options.check_mode)
    installed = _dpkg.installed_list(packages, _dpkg.read_auto(paths.extended_states), paths.native)
    return PackageState(
        metadata=metadata,
        installed=installed,
        pending=pending,
        removals=removals,
        health=Health(
            interrupted=_dpkg.is_interrupted(paths.status),
            half_configured=[_label(entry.name, entry.arch) for entry in installed if entry.state != "installed"],
            unmet_dependencies=_unmet(packages) if refused else [],
        ),
        kernels=_dpkg.kernels(packages),
        collector=view.collector,
        tool={"apt": view.apt_version},
        changed=refreshed is not None and refreshed.changed,
        locks=paths.locks(),
    )


def _changes(
    view: AptView, paths: Paths, packages: List[_dpkg.DpkgPackage], repositories: Repositories, keep: bool
) -> Tuple[List[Pending], List[Removal], bool]:
    """See `_apt_pending.collect`. Asked of an excerpt of the lists, which takes apt a tenth of the time.

    Where packages are in each other's way, apt weighs them, and what weighs the same it takes in an order that follows
    from all that there is: then the whole lists have the word.
    """
    with _apt_excerpt.excerpt(paths, view.apt_version, packages, keep) as lists:
        if lists:
            view.use(lists)
            found = _apt_pending.collect(view, packages, repositories, paths)
            view.use(None)
            pending, removals, refused = found
            if not (removals or refused or any(update.blocked_by == "kept_back" for update in pending)):
                return found
    return _apt_pending.collect(view, packages, repositories, paths)


def _refresh(paths: Paths, options: Options) -> tuple:
    """The refresh that was made, if any, and sentences about one that was wanted and not made."""
    if options.refresh == "never" or options.check_mode:
        return None, []
    if options.refresh == "if_stale":
        state = _apt_freshness.judge(paths, Repositories(paths), options.max_age, times.now(), None)
        if not state.stale:
            return None, []
    if not _apt_freshness.may_refresh(paths):
        if options.refresh == "always":
            raise UpkeepError(
                "needs_root",
                f"refresh: always needs write access to {paths.lists}: run it as root (become: true), or let refresh "
                "be never or if_stale.",
            )
        return None, [f"The package lists are stale, and only root may refresh them ({paths.lists})."]
    return _apt_freshness.refresh(paths), []


def _unmet(packages: list[_dpkg.DpkgPackage]) -> list[str]:
    world = World(Unit(p.name, p.arch, p.version, p.fields) for p in packages)
    return [f"{unit.name} {unit.version} {phrase}" for unit in world.units() for phrase in unmet(unit, world)]


def _label(name: str, arch: str) -> str:
    return f"{name}:{arch}" if arch else name
