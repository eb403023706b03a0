# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive is made of: one `Entry` a path, and the few numbers and names that the format fixes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import one_line

FORMAT = 1
BLOCK_SIZE = 1 << 20
RECORD = 512  # tar's unit: every header and every content is padded to it
END_OF_TAR = bytes(2 * RECORD)
EMBEDDED_NAME = b".upkeep/manifest.jsonl"  # reserved: never restored, never counted

FILE, DIRECTORY, SYMLINK, HARDLINK = "file", "dir", "symlink", "hardlink"
FIFO, CHARACTER, BLOCK, SOCKET = "fifo", "char", "block", "socket"

STABLE, CHANGED, VANISHED, UNREADABLE = "stable", "changed", "vanished", "unreadable"

EVIDENCE_MARKER = b".upkeep-evidence"  # a folder that holds this file is evidence: never part of a backup
SCRATCH_MARKER = b".upkeep-restore"  # a folder that holds this file is a restore's scratch folder: never either


@dataclass
class Entry:
    """One path as it was archived.

    `path`, `link` (symlink target) and `leader` (the first path of a hard-linked file) are raw bytes, relative and
    without a leading slash, `.` for the root itself. `sparse` lists the data regions as (offset, length).
    `sha256_of` says what `sha256` covers where that is not simply the content.
    `offset` is where the entry's first header lies in the tar stream; None when nothing of it was stored.
    """

    path: bytes
    type: str
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    mtime_ns: int
    size: int = 0
    link: Optional[bytes] = None
    leader: Optional[bytes] = None
    rdev: Optional[Tuple[int, int]] = None
    xattrs: Dict[str, bytes] = field(default_factory=dict)
    sparse: Optional[List[Tuple[int, int]]] = None
    sha256: Optional[str] = None
    offset: Optional[int] = None
    state: str = STABLE
    sha256_of: Optional[str] = None


def text(name: bytes) -> str:
    """A name as JSON carries it: bytes that are not UTF-8 become lone surrogates and come back the same."""
    return name.decode("utf-8", "surrogateescape")


def raw(name: str) -> bytes:
    """The inverse of `text`."""
    return name.encode("utf-8", "surrogateescape")


def shown(name: bytes) -> str:
    """A name as a person or a document reads it: always encodable and on one line, bytes that are not UTF-8 and control
    characters as `\\xff`."""
    return one_line(name.decode("utf-8", "backslashreplace"))


def order(path: bytes) -> tuple:
    """The sort key of archives and manifests: depth first, names compared bytewise within each folder."""
    return () if path == b"." else tuple(path.split(b"/"))


def padding(size: int) -> int:
    """How many zero bytes follow content of `size` bytes in a tar."""
    return -size % RECORD


def whole(value: Any) -> bool:
    """Whether it is a whole number; True and False are none, though Python counts with them."""
    return isinstance(value, int) and not isinstance(value, bool)
