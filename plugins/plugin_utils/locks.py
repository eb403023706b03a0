# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer at a time among the workers of a run, and among runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_PAUSE_S = 0.2


@contextlib.contextmanager
def exclusive(
    path: Path, waiting: Callable[[str], None] | None = None, patience_s: float | None = None
) -> Iterator[None]:
    """Hold an advisory lock on the file `path` (made if need be); waits for it. A killed holder lets go by itself.

    `waiting` is called once with who holds it (`process 4711 since …`) before a wait. With `patience_s` it waits for so
    many seconds only; then UpkeepError `locked` says who holds it. With either of them the file says so for the next.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if waiting is None and patience_s is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            _told(handle, path, waiting, patience_s)
        yield
    finally:
        os.close(handle)


def sweep(home: Path) -> None:
    """Remove the folders in `home` whose lock, `<folder>.lock`, nobody holds: their owners were killed."""
    for folder in sorted(home.glob("*/")):
        with contextlib.suppress(UpkeepError), exclusive(folder.with_name(f"{folder.name}.lock"), patience_s=0):
            shutil.rmtree(folder, ignore_errors=True)


def _told(handle: int, path: Path, waiting: Callable[[str], None] | None, patience_s: float | None) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another process"
        if waiting:
            waiting(who)
        if patience_s is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            _within(handle, patience_s, f"{path} is held by {who}: wait until that one is done, or end it.")
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} since {times.iso(times.now())}\n".encode(), 0)


def _within(handle: int, patience_s: float, message: str) -> None:
    until = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() >= until:
            raise UpkeepError("locked", message)
        time.sleep(_PAUSE_S)
