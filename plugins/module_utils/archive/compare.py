# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One path on disk against its entry: in what do they differ?"""

from __future__ import annotations

import hashlib
import os
from typing import Any, List, NamedTuple, Optional, Tuple

from .content import open_file, read_small, sha256_by_map, sha256_of
from .metadata import Leader, describe, read_xattrs
from .model import BLOCK_SIZE, FILE, SOCKET, Entry, shown
from .walk import Node


class Difference(NamedTuple):
    """`field` of an entry: what the manifest says, what was found."""

    field: str
    expected: Any
    found: Any


def metadata(node: Node, entry: Entry, live: Entry, skip: frozenset = frozenset()) -> List[Difference]:
    """All fields but the content. `live` is the node's own description; `skip` names fields that are not compared."""
    if entry.type == SOCKET and live.type == SOCKET:
        return []  # remade at each start of its service, and stored in no archive
    if entry.type != live.type:
        return [Difference("type", entry.type, live.type)]
    found = []
    for field in ("size", "mode", "uid", "gid", "user", "group", "mtime_ns", "link", "leader", "rdev", "xattrs"):
        expected, seen = getattr(entry, field), getattr(live, field)
        if expected != seen and field not in skip:
            found.append(Difference(field, _plain(field, expected), _plain(field, seen)))
    return found


def look(node: Node, with_xattrs: bool, leader: Optional[Leader] = None) -> Entry:
    """The live entry of a node, attributes of regular files included. Raises OSError."""
    live = describe(node, with_xattrs, leader)
    if with_xattrs and live.type == FILE:
        fd = open_file(node.name, node.dir_fd)
        try:
            live.xattrs = read_xattrs(fd)
        finally:
            os.close(fd)
    return live


def look_inside(node: Node, entry: Entry, with_xattrs: bool, leader: Optional[Leader] = None) -> Tuple[Entry, bool]:
    """`look`, and whether the content of what is a regular file here and there is the same; opened once. OSError."""
    live = describe(node, with_xattrs, leader)
    if live.type != FILE:
        return live, True
    fd = open_file(node.name, node.dir_fd)
    try:
        if with_xattrs:
            live.xattrs = read_xattrs(fd)
        return live, entry.type != FILE or _same(fd, entry)
    finally:
        os.close(fd)


def same_content(node: Node, entry: Entry) -> bool:
    """Is a regular file, read again from disk, what was archived? Raises OSError."""
    fd = open_file(node.name, node.dir_fd)
    try:
        return _same(fd, entry)
    finally:
        os.close(fd)


def _same(fd: int, entry: Entry) -> bool:
    size = os.fstat(fd).st_size
    if size != entry.size:
        return False
    if entry.sha256_of is not None:
        return sha256_by_map(fd, size, entry.sparse or []) == entry.sha256
    if size < BLOCK_SIZE:  # one read, with no more room than it takes
        return hashlib.sha256(read_small(fd, size)).hexdigest() == entry.sha256
    return sha256_of(fd) == entry.sha256


def _plain(field: str, value: Any) -> Any:
    """A value that a JSON document can hold."""
    if isinstance(value, bytes):
        return shown(value)
    if field == "mode":
        return f"{value:04o}"
    if field == "xattrs":
        return {
            name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"): value[name].hex()
            for name in value
        }
    return list(value) if isinstance(value, tuple) else value
