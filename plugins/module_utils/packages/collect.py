# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch level of this host: one document, `upkeep.patch_level/1`."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .. import times
from ..version import VERSION
from . import host, kernel, reboot, registry, restarts
from .model import SCHEMA, Options, StaleService, plain


@dataclass(frozen=True)
class Collected:
    """The document, and whether collecting it changed the package lists."""

    document: Dict[str, Any]
    changed: bool


def collect(options: Options) -> Collected:
    """Everything that the patch phase needs to know, in one go. Raises UpkeepError (see the managers)."""
    name = registry.detect(options.manager)
    state = registry.collector(name)(options)
    this = host.describe()
    uname = os.uname()
    running = kernel.judge(uname.release, uname.version, state.kernels, this.container)
    services, sessions, unseen = _services(options.scan_services)
    state.health.boot_free_bytes = _free_bytes("/boot")
    document: Dict[str, Any] = {
        "schema": SCHEMA,
        "host": this,
        "manager": name,
        "collector": state.collector,
        "collected": times.iso(times.now()),
        "tool": {"collection": VERSION, "python": platform.python_version(), **state.tool},
        "metadata": state.metadata,
        "installed": state.installed,
        "pending": state.pending,
        "removals": state.removals,
        "kernel": running,
        "reboot": reboot.judge(running, bool(state.kernels), this.container, core=state.core_updates),
        "services_stale": services,
        "sessions_stale": sessions,
        "health": state.health,
        "counts": {
            "installed": len(state.installed),
            "pending": len(state.pending),
            "security": sum(update.security for update in state.pending),
            "blocked": sum(update.blocked_by is not None for update in state.pending),
        },
        "not_seen": state.not_seen + unseen,
    }
    return Collected({name: plain(value) for name, value in document.items()}, state.changed)


def _services(wanted: bool) -> tuple[Optional[List[StaleService]], Optional[List[StaleService]], List[str]]:
    if not wanted:
        return None, None, ["Services that need a restart: scan_services is off."]
    found = restarts.scan()
    if not found.seen:
        return None, None, ["Services that need a restart: no process could be looked at."]
    if not found.unseen:
        return found.services, found.sessions, []
    total = found.seen + found.unseen
    return found.services, found.sessions, [f"Services that need a restart: {found.unseen} of {total} processes."]


def _free_bytes(folder: str) -> Optional[int]:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
