# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch level of this host: one document, `upkeep.patch_level/1`.

What the package manager says is remembered (`_last_answer`); what changes without any file changing, such as locks,
processes, free space and the running kernel, is looked at each time.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from .. import times
from ..version import VERSION
from . import _last_answer, boot, host, kernel, reboot, registry, restarts
from ._locks import locked_by, pid_locked_by
from .model import (
    SCHEMA,
    CoreUpdate,
    Health,
    Installed,
    KernelPackage,
    Metadata,
    Options,
    PackageState,
    Pending,
    Repository,
    StaleService,
    plain,
)

# However quiet a host is: what no file tells is looked at once in a while.
_LONGEST = 86400
# An answer of another shape than this code's is none: clones change between two releases.
_SHAPE = [[*shape.__dataclass_fields__] for shape in (PackageState, Metadata, Repository, Installed, Pending, Health)]


@dataclass(frozen=True)
class Collected:
    """The document, and whether collecting it changed the package lists."""

    document: Dict[str, Any]
    changed: bool


def collect(options: Options) -> Collected:
    """Everything that the patch phase needs to know, in one go. Raises UpkeepError (see the managers)."""
    name = registry.detect(options.manager)
    state, since, changed = _packages(name, options)
    kernels = [KernelPackage(**each) for each in state["kernels"]]
    this = host.describe()
    uname = os.uname()
    running = kernel.judge(uname.release, uname.version, kernels, this.container, kernel.signature())
    services, sessions, unseen = _services(options.scan_services)
    lock, unasked = locked_by(state["locks"])
    health = {
        **state["health"],
        "locked_by": lock or pid_locked_by(state["pid_files"]) or state["health"]["locked_by"],
        **boot.room(options.root, this.container),
    }
    document: Dict[str, Any] = {
        "schema": SCHEMA,
        "host": this,
        "manager": name,
        "collector": state["collector"],
        "collected": times.iso(times.now()),
        "unchanged_since": since,
        "tool": {"collection": VERSION, "python": ".".join(map(str, sys.version_info[:3])), **state["tool"]},
        "metadata": state["metadata"],
        "installed": state["installed"],
        "pending": state["pending"],
        "removals": state["removals"],
        "kernel": running,
        "reboot": reboot.judge(
            running, bool(kernels), this.container, core=[CoreUpdate(**each) for each in state["core_updates"]]
        ),
        "services_stale": services,
        "sessions_stale": sessions,
        "health": health,
        "counts": {
            "installed": len(state["installed"]),
            "pending": len(state["pending"]),
            "security": sum(update["security"] for update in state["pending"])
            if state["metadata"]["tells_security"]
            else None,
            "blocked": sum(update["blocked_by"] is not None for update in state["pending"]),
        },
        "not_seen": [*state["not_seen"], *(f"Who holds {path}: only root can ask." for path in unasked), *unseen],
    }
    return Collected({name: plain(value) for name, value in document.items()}, changed)


def _packages(name: str, options: Options) -> Tuple[Dict[str, Any], Optional[str], bool]:
    """What the manager says, as plain data; since when it has been saying so, if unchanged; whether lists changed."""
    manager = registry.MANAGERS[name]
    refresh = "never" if options.check_mode else options.refresh
    # A refresh that would be made is work to do; one that would not, no matter why, is no difference.
    question = [name, options.bindings, options.max_age, options.root, refresh == "never", _SHAPE]
    if refresh != "always":
        last = _last_answer.load(name, question)
        if last and _quiet(last["state"]) and (refresh == "never" or not last["state"]["metadata"]["stale"]):
            return last["state"], last["since"], False
    started = time.time()
    paths = manager.inputs(options)
    before = _last_answer.fingerprint(paths)
    found = manager.collect(options)
    state = {part: plain(value) for part, value in vars(found).items()}
    certain = _last_answer.settled(before, int(started * 1e9)) and _last_answer.fingerprint(paths) == before
    # Who holds a lock shows in no file: an answer that names somebody would outlive the hold.
    steady = found.metadata.refresh_ok is None and found.health.locked_by is None
    keepable = state["keepable"] and _quiet(state)
    if certain and steady and keepable and not options.check_mode:
        answer = {"state": state, "since": times.from_timestamp(started)}
        _last_answer.keep(name, question, answer, paths, before, _good_until(state["metadata"], options, started))
    return state, None, found.changed


def _quiet(state: Dict[str, Any]) -> bool:
    """Whether no database's log has what its file has not: a transaction that runs, or one that was killed."""
    return not any(os.path.exists(path) and os.path.getsize(path) for path in state["logs"])


def _good_until(metadata: Dict[str, Any], options: Options, now: float) -> float:
    """When the answer would change by itself: the lists get too old, or a repository's validity ends."""
    ends = [_seconds(each["valid_until"]) for each in metadata["repositories"]]
    refreshed = _seconds(metadata["refreshed_at"])
    ends.append(None if refreshed is None else refreshed + options.max_age)
    return min([now + _LONGEST, *(end for end in ends if end is not None and end > now)])


def _seconds(text: Optional[str]) -> Optional[float]:
    return None if text is None else times.parse(text).timestamp()


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
