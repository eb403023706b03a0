# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a scratch server works: a private folder that its user can reach, gone afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import stat
import tempfile
from typing import Iterator, Optional

from .model import Failed
from .processes import Account

_ELSEWHERE = "/var/tmp"  # not /tmp, which may be memory
_PREFIX = "upkeep-load-"
_LONGEST = 70  # bytes: with a socket's name behind it, a path must stay under 108 (sun_path in unix(7))
_FLOOR = 256 << 20  # an empty cluster and its logs


@contextlib.contextmanager
def bench(scratch: str, user: Optional[Account], needs: int) -> Iterator[str]:
    """A folder of `user`'s below `scratch`, or in /var/tmp where that user cannot get to it or its name is too long.

    What a killed run left is removed first. Raises Failed where fewer than about `needs` bytes are free.
    """
    parent = scratch if len(os.fsencode(scratch)) < _LONGEST and _reaches(scratch, user) else _ELSEWHERE
    _sweep(parent, _PREFIX)  # for the room it takes
    info = os.statvfs(parent)
    if info.f_bavail * info.f_frsize < needs * 2 + _FLOOR:
        free = info.f_bavail * info.f_frsize
        raise Failed(f"{parent} has {free} bytes free, loading it takes about {needs * 2 + _FLOOR}")
    with private_folder(parent, _PREFIX) as folder:
        if user:
            os.chown(folder, user.uid, user.gid)
        yield folder


@contextlib.contextmanager
def private_folder(parent: str, prefix: str) -> Iterator[str]:
    """A folder of our own, locked and gone afterwards. What killed runs left under that prefix is removed before."""
    _sweep(parent, prefix)
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _reaches(folder: str, user: Optional[Account]) -> bool:
    """Whether that user may pass through every folder on the way."""
    while user and folder != "/":
        info = os.stat(folder)
        if not info.st_mode & stat.S_IXOTH and info.st_uid != user.uid:
            return False
        folder = os.path.dirname(folder)
    return True


def _sweep(parent: str, prefix: str) -> None:
    for left in glob.glob(os.path.join(glob.escape(parent), prefix + "*")):
        with contextlib.suppress(OSError):
            fd = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: another drill is at work there
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(fd)
