# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a lock that a package manager needs."""

from __future__ import annotations

import fcntl
import os
import re
import struct
from typing import Iterable, Optional

from ._files import line_or_none, read_bytes, text_or_none

# struct flock of Linux with 64-bit offsets: l_type, l_whence, l_start, l_len, l_pid, padded to its alignment.
_FLOCK = "hhqqi0q"
# 1: FLOCK  ADVISORY  WRITE 1234 fe:01:131103 0 EOF
_HELD = re.compile(r"^\d+: FLOCK +\S+ +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


def holder(path: str) -> Optional[int]:
    """The id of the process that has a write lock on `path` (0: of another namespace), None if there is none.

    Asks with F_GETLK, which takes no lock and so disturbs nobody, and for flock(2) the kernel's table. Raises OSError
    where `path` cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        status = os.fstat(handle)
    finally:
        os.close(handle)
    return _flocked_by(status) if kind == fcntl.F_UNLCK else max(pid, 0)


def _flocked_by(status: os.stat_result) -> Optional[int]:
    for pid, major, minor, inode in _HELD.findall(text_or_none("/proc/locks") or ""):
        if int(inode) == status.st_ino and os.makedev(int(major, 16), int(minor, 16)) == status.st_dev:
            return int(pid)
    return None


def locked_by(paths: Iterable[str]) -> tuple[Optional[str], list[str]]:
    """`("1234 apt-get", [])` for the first held lock of `paths`, or None; and the paths that could not be asked."""
    unseen = []
    for path in paths:
        try:
            pid = holder(path)
        except FileNotFoundError:
            continue
        except OSError:
            unseen.append(path)
            continue
        if pid is not None:
            return (f"{pid} {command_name(pid)}" if pid else "0 a process of another container"), unseen
    return None, unseen


def pid_locked_by(paths: Iterable[str]) -> Optional[str]:
    """`"1234 dnf"` for the first of `paths` that names another living process: the lock of dnf 4 and libzypp."""
    for path in paths:
        pid = (line_or_none(path) or "").strip()
        if pid.isdecimal() and int(pid) != os.getpid() and os.path.exists(f"/proc/{pid}/stat"):
            return f"{pid} {command_name(int(pid))}"
    return None


def command_name(pid: int) -> str:
    """The program of a process, without its arguments (they may hold secrets); `?` when it cannot be seen."""
    try:
        first = read_bytes(f"/proc/{pid}/cmdline").split(b"\0")[0]
        if not first:
            first = read_bytes(f"/proc/{pid}/comm").strip()
    except OSError:
        return "?"
    # Some daemons rewrite their argv into a title with spaces: "nginx: master process".
    words = os.path.basename(first.decode("utf-8", "replace")).split()
    return words[0].rstrip(":") if words else "?"
