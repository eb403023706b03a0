# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are there whole or not at all: temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import Any, Tuple

_TEMPORARY = ".upkeep-new-"  # not an archive's prefix: its manifest may wait unlocked behind a killed run


def make_folder(path: str) -> None:
    """`path` and each missing folder above it, all 0700 (`makedirs` gives its mode to the last one only). OSError."""
    above = os.path.dirname(path.rstrip("/"))
    if above and not os.path.isdir(above):
        make_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def write_bytes(path: str, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` atomically, making the folder (0700) if need be. OSError: then nothing changed."""
    folder = os.path.dirname(path) or "."
    make_folder(folder)
    _sweep(folder)
    handle, temporary = _new_file(folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
            os.rename(temporary, path)  # while it is open, and so locked: nobody takes it for a leftover
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def _new_file(folder: str) -> Tuple[int, str]:
    """(descriptor, path) of a new file under a name of its own, locked: the sign that its writer lives."""
    while True:
        path = os.path.join(folder, _TEMPORARY + os.urandom(8).hex())
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: nothing is swept there either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, path
        os.close(handle)  # swept between the two steps


def _sweep(folder: str) -> None:
    """Remove what killed writers left in the folder."""
    for name in os.listdir(folder):
        if not name.startswith(_TEMPORARY):
            continue
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):  # its writer lives, or it is not ours to remove
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(handle)


def write_text(path: str, content: str, mode: int = 0o600) -> None:
    """`write_bytes` for UTF-8 text; names that are not UTF-8 pass through surrogateescape."""
    write_bytes(path, content.encode("utf-8", "surrogateescape"), mode)


def write_json(path: str, document: Any, mode: int = 0o600) -> None:
    """`document` as indented JSON with a final newline, in the order of its keys (ASCII, so that any name survives)."""
    write_bytes(path, (json.dumps(document, indent=2) + "\n").encode("ascii"), mode)


def sync_folder(folder: str) -> None:
    """Make a rename in `folder` durable, as far as its file system lets a folder be fsynced."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
