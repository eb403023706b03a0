# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer at a time among the workers of a run, and among runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import times


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an advisory lock on the file `path` (made if need be); waits for it. A killed holder lets go by itself.

    With `waiting` the file says who holds it, and that is called once with it (`process 4711 since …`) before a wait.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if waiting is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            _told(handle, waiting)
        yield
    finally:
        os.close(handle)


def _told(handle: int, waiting: Callable[[str], None]) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting(os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another process")
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} since {times.iso(times.now())}\n".encode(), 0)
