# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive is made of: one `Entry` a path, and the few numbers and names that the format fixes."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import one_line

FORMAT = 2  # of archive and manifest together; 1 gave every time below a second a pax header
BLOCK_SIZE = 1 << 20
RECORD = 512  # tar's unit: every header and every content is padded to it
END_OF_TAR = bytes(2 * RECORD)
EMBEDDED_NAME = b".upkeep/manifest.jsonl"  # reserved: never restored, never counted

FILE, DIRECTORY, SYMLINK, HARDLINK = "file", "dir", "symlink", "hardlink"
FIFO, CHARACTER, BLOCK, SOCKET = "fifo", "char", "block", "socket"

STABLE, CHANGED, VANISHED, UNREADABLE = "stable", "changed", "vanished", "unreadable"

EVIDENCE_MARKER = b".upkeep-evidence"  # a folder that holds this file is evidence: never part of a backup
SCRATCH_MARKER = b".upkeep-restore"  # a folder that holds this file is a restore's scratch folder: never either


class Entry:
    """One path as it was archived.

    `path`, `link` (symlink target) and `leader` (the first path of a hard-linked file) are raw bytes, relative and
    without a leading slash, `.` for the root itself. `sparse` lists the data regions as (offset, length).
    `sha256_of` says what `sha256` covers where that is not simply the content.
    `offset` is where the entry's first header lies in the tar stream; None when nothing of it was stored.
    """

    __slots__ = (
        "gid",
        "group",
        "leader",
        "link",
        "mode",
        "mtime_ns",
        "offset",
        "path",
        "rdev",
        "sha256",
        "sha256_of",
        "size",
        "sparse",
        "state",
        "type",
        "uid",
        "user",
        "xattrs",
    )  # fmt: skip

    def __init__(
        self,
        path: bytes,
        type: str,
        mode: int,
        uid: int,
        gid: int,
        user: str,
        group: str,
        mtime_ns: int,
        size: int = 0,
        link: Optional[bytes] = None,
        leader: Optional[bytes] = None,
        rdev: Optional[Tuple[int, int]] = None,
        xattrs: Optional[Dict[str, bytes]] = None,
        sparse: Optional[List[Tuple[int, int]]] = None,
        sha256: Optional[str] = None,
        offset: Optional[int] = None,
        state: str = STABLE,
        sha256_of: Optional[str] = None,
    ) -> None:
        self.path = path
        self.type = type
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.user = user
        self.group = group
        self.mtime_ns = mtime_ns
        self.size = size
        self.link = link
        self.leader = leader
        self.rdev = rdev
        self.xattrs: Dict[str, bytes] = {} if xattrs is None else xattrs
        self.sparse = sparse
        self.sha256 = sha256
        self.offset = offset
        self.state = state
        self.sha256_of = sha256_of

    def but(self, **fields: Any) -> Entry:
        """A copy with other values in these fields."""
        return Entry(**{**{name: getattr(self, name) for name in self.__slots__}, **fields})


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
