# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pacman has, in the shapes of the model: see `pacman`."""

from __future__ import annotations

import os
import re
from typing import List, Optional, Tuple

from .. import times
from ..errors import UpkeepError
from . import _alpm_freshness
from ._alpm_config import Config, conf_path, included, load, quick_dbpath
from ._alpm_database import Local, installed_list, read_local, value
from ._alpm_pending import collect as collect_pending
from ._files import line_or_none
from ._locks import command_name
from ._refresh_note import Refresh
from ._run import run
from .model import Health, KernelPackage, Options, PackageState

_MISSING = re.compile(r"^error: missing '([^']+)' dependency for '([^']+)'$", re.MULTILINE)


def inputs(options: Options) -> List[str]:
    """See `pacman.inputs`."""
    dbpath = quick_dbpath(options.root)
    lock = os.path.join(dbpath, "db.lck")
    # Whoever has the lock may end and leave it: while it is there, nothing is answered from memory.
    doubt = [f"/proc/{os.getpid()}/stat"] if os.path.exists(lock) else []
    return [
        *doubt,
        conf_path(options.root),
        *included(conf_path(options.root)),
        os.path.join(options.root, "etc/pacman.d"),
        os.path.join(dbpath, "local"),
        os.path.join(dbpath, "sync"),
        lock,
        _alpm_freshness.own_folder(dbpath),
        os.path.join(options.root, "usr/lib/modules"),
    ]


def collect(options: Options) -> PackageState:
    """See `pacman.collect`."""
    if options.bindings == "require":
        raise UpkeepError(
            "bindings_missing", "pacman is read through its files and commands, without bindings: use bindings: auto."
        )
    config = load(options.root)
    refreshed, notes = _refresh(config, options)
    dbpath, metadata = _alpm_freshness.judge(config, options.max_age, times.now(), refreshed)
    metadata.problems += notes
    local = read_local(config.dbpath)
    pending, removals, plan = collect_pending(config, dbpath, local)
    lock, leftover, unseen = _lock(os.path.join(config.dbpath, "db.lck"))
    return PackageState(
        metadata=metadata,
        installed=installed_list(local, {name for name in local.packages if _held(config, name)}),
        pending=pending,
        removals=removals,
        health=Health(
            interrupted=leftover or bool(local.broken),
            half_configured=local.broken,
            locked_by=lock,
            unmet_dependencies=[] if plan.complete and not plan.refusals else _unmet(config, dbpath),
        ),
        kernels=kernels(options.root, local),
        collector="commands",
        tool={"pacman": value(local.packages["pacman"], "VERSION")} if "pacman" in local.packages else {},
        not_seen=[_alpm_freshness.NO_SECURITY, *unseen],
        changed=refreshed is not None and refreshed.changed,
    )


def _refresh(config: Config, options: Options) -> Tuple[Optional[Refresh], List[str]]:
    """The refresh that was made, if any, and sentences about one that was wanted and not made."""
    if options.refresh == "never" or options.check_mode:
        return None, []
    if options.refresh == "if_stale":
        _dbpath, metadata = _alpm_freshness.judge(config, options.max_age, times.now(), None)
        if not metadata.stale:
            return None, []
    if not _alpm_freshness.may_refresh():
        if options.refresh == "always":
            raise UpkeepError(
                "needs_root",
                "refresh: always needs root or fakeroot for pacman: run it as root (become: true), install fakeroot, "
                "or let refresh be never or if_stale.",
            )
        return None, ["The package lists are stale, and only root (or fakeroot) may refresh a copy of them."]
    return _alpm_freshness.refresh(config), []


def kernels(root: str, local: Local) -> List[KernelPackage]:
    """The installed kernels: each folder of modules names its package (`pkgbase`)."""
    modules = os.path.join(root, "usr/lib/modules")
    try:
        releases = sorted(os.listdir(modules))
    except OSError:
        return []
    found = []
    for release in releases:
        package = local.packages.get(line_or_none(os.path.join(modules, release, "pkgbase")) or "")
        if package:
            found.append(KernelPackage(release, value(package, "VERSION"), value(package, "BASE") or None))
    return found


def _held(config: Config, name: str) -> bool:
    return name in config.options.get("IgnorePkg", [])


def _unmet(config: Config, dbpath: str) -> List[str]:
    """What is broken already, before any upgrade."""
    said = run([*config.arguments(dbpath), "-Dk"], allow=tuple(range(256)))
    return [f"{name} lacks {wanted}" for wanted, name in _MISSING.findall(said.stderr + "\n" + said.stdout)]


def _lock(path: str) -> Tuple[Optional[str], bool, List[str]]:
    """Who holds pacman's lock; whether it is left over, with nobody to hold it; and what could not be seen.

    The lock is that the file is there; whoever made it keeps it open.
    """
    if not os.path.exists(path):
        return None, False, []
    unseen = False
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        folder = f"/proc/{pid}/fd"
        try:
            if any(_leads_to(os.path.join(folder, handle), path) for handle in os.listdir(folder)):
                return f"{pid} {command_name(pid)}", False, []
        except PermissionError:
            unseen = True
        except OSError:
            continue  # it has ended
    if unseen:
        return "0 a process that only root can see", False, [f"Who holds {path}: only root can ask."]
    return None, True, [f"Whether {path} may go: no process has it open, so a pacman that was killed left it behind."]


def _leads_to(link: str, path: str) -> bool:
    try:
        return os.path.samefile(link, path)
    except OSError:
        return False
