# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer at a time among the workers of a run, and among runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_PAUSE_S = 0.2


@contextlib.contextmanager
def exclusive(path: Path, patience_s: float | None = None) -> Iterator[None]:
    """Hold an advisory lock on the file `path` (made if need be). A killed holder lets go by itself.

    Waits for it, with `patience_s` for so many seconds only; then UpkeepError `locked` says which process holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if patience_s is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            _within(handle, path, patience_s)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}, since {times.iso(times.now())}".encode(), 0)
        yield
    finally:
        os.close(handle)


def sweep(home: Path) -> None:
    """Remove the folders in `home` whose lock, `<folder>.lock`, nobody holds: their owners were killed."""
    for folder in sorted(home.glob("*/")):
        with contextlib.suppress(UpkeepError), exclusive(folder.with_name(f"{folder.name}.lock"), patience_s=0):
            shutil.rmtree(folder, ignore_errors=True)


def _within(handle: int, path: Path, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                who = os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
                message = f"{path} is held by {who}: wait until that one is done, or end it."
                raise UpkeepError("locked", message) from None
        time.sleep(_PAUSE_S)
