# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a lock that a package manager needs."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Iterable, Optional

from ._files import read_bytes

# struct flock of Linux with 64-bit offsets: l_type, l_whence, l_start, l_len, l_pid, padded to its alignment.
_FLOCK = "hhqqi0q"


def holder(path: str) -> Optional[int]:
    """The id of the process that has a write lock on `path` (0: of another namespace), None if there is none.

    Asks with F_GETLK, which takes no lock and so disturbs nobody. Raises OSError where `path` cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    finally:
        os.close(handle)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


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
