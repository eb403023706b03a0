# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which process a run belongs to, so that a killed one is known for what it is."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import times

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this machine. `identity` tells it from a later one with the same number; `started` is its start."""

    pid: int
    identity: str
    started: datetime


def controller() -> str:
    """This controller's name."""
    return socket.gethostname()


def main_process() -> Process:
    """The process of the whole run: Ansible runs each task in a worker, a child of it."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid else os.getpid()
    found = find(pid)
    if found is None:  # neither /proc nor ps: an identity that is at least the same in every worker
        return Process(pid, "unknown", times.now())
    return found


def this() -> str:
    """What tells this run's main process from every other one, on every controller: `<controller>/<pid>/<identity>`."""
    main = main_process()
    return f"{controller()}/{main.pid}/{main.identity}"


def find(pid: int) -> Process | None:
    """The running process `pid`, or None where there is none (a zombie is none)."""
    if (_PROC / "self" / "stat").exists():
        return _from_proc(pid)
    return _from_ps(pid)


def is_alive(pid: int, identity: str) -> bool:
    """Whether the very process that was `pid` with `identity` still runs."""
    found = find(pid)
    return found is not None and found.identity == identity


def _from_proc(pid: int) -> Process | None:
    # Format: proc(5). The name in parentheses may hold anything, so fields count from the last ")".
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        boot_time = _boot_time()
    except OSError:
        return None
    state, ticks = fields[0], int(fields[19])
    if state == "Z":
        return None
    # Ticks since boot do not move when the clock is set; the boot time that turns them into a date does.
    started = datetime.fromtimestamp(boot_time + ticks / os.sysconf("SC_CLK_TCK"), timezone.utc)
    return Process(pid, f"{boot_id}/{ticks}", started)


def _boot_time() -> int:
    for line in (_PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    raise OSError("no btime in /proc/stat")


def _from_ps(pid: int) -> Process | None:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        shown = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, env=environment, check=False
        ).stdout.strip()
        started = datetime.strptime(shown, "%a %b %d %H:%M:%S %Y").replace(tzinfo=timezone.utc)
    except (OSError, ValueError):
        return None
    return Process(pid, shown, started)
