# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest's lines: JSON, one object a line, ASCII, keys in a fixed order (the embedded copy is deterministic)."""

from __future__ import annotations

import base64
import json
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Dict, Iterator, Optional

from . import model
from .blocks import Block
from .content import hashed
from .model import Entry, order, raw, text, whole

ENTRY_START, BLOCK_START, END_START = b'{"path"', b'{"block"', b'{"end"'
_TYPES = {
    getattr(model, name)
    for name in ["FILE", "DIRECTORY", "SYMLINK", "HARDLINK", "FIFO", "CHARACTER", "BLOCK", "SOCKET"]
}
_STATES = {model.STABLE, model.CHANGED, model.VANISHED, model.UNREADABLE}


_NO_NAMES = frozenset((b"", b".", b".."))
_LARGE_RDEV = 1 << 21  # what a tar header holds; Linux has 12 and 20 bits
_LARGE = 1 << 63  # what the kernel takes as a size or a time in seconds
_LATEST = _LARGE * 1_000_000_000
_MAX_STORED = 2 * model.BLOCK_SIZE  # no codec makes a block twice as large
_NO_ID = (1 << 32) - 1  # the kernel's word for no user and no group


def dump(document: Dict[str, Any]) -> bytes:
    """Any other line (header, closing line)."""
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def entry_line(entry: Entry) -> bytes:
    """An entry's line. Written by hand: it is on the path of every file of every backup."""
    line = (
        f'{{"path":{quote(text(entry.path))},"type":"{entry.type}","size":{entry.size},"mode":"{entry.mode:04o}"'
        f',"uid":{entry.uid},"gid":{entry.gid},"user":{quote(entry.user)},"group":{quote(entry.group)}'
        f',"mtime_ns":{entry.mtime_ns}'
    )
    if entry.link is not None:
        line += ',"link":' + quote(text(entry.link))
    if entry.leader is not None:
        line += ',"leader":' + quote(text(entry.leader))
    if entry.rdev is not None:
        line += ',"rdev":[{},{}]'.format(*entry.rdev)
    if entry.xattrs:
        values = {name: base64.b64encode(entry.xattrs[name]).decode("ascii") for name in sorted(entry.xattrs)}
        line += ',"xattrs":' + json.dumps(values, separators=(",", ":"))
    if entry.sparse is not None:
        line += ',"sparse":' + json.dumps(entry.sparse, separators=(",", ":"))
    if entry.sha256 is not None:
        line += f',"sha256":"{entry.sha256}"'
    if entry.sha256_of is not None:
        line += f',"sha256_of":"{entry.sha256_of}"'
    if entry.offset is not None:
        line += f',"offset":{entry.offset}'
    return (line + f',"state":"{entry.state}"}}\n').encode("ascii")


def block_line(block: Block, of_manifest: bool = False) -> bytes:
    """A block's line; `of_manifest` marks the blocks that hold the embedded manifest (it cannot list those itself)."""
    mark = b',"of":"manifest"' if of_manifest else b""
    return b'{"block":%d,"offset":%d,"size":%d,"at":%d,"stored":%d,"crc32":"%08x"' % block + mark + b"}\n"


def holds_manifest(line: bytes) -> bool:
    return line.endswith(b',"of":"manifest"}\n')


def parse_block(line: bytes) -> Block:
    """ValueError, KeyError or TypeError when it is none."""
    b = json.loads(line)
    block = Block(b["block"], b["offset"], b["size"], b["at"], b["stored"], int(b["crc32"], 16))
    if any(not whole(number) or not 0 <= number < _LARGE for number in block):
        raise ValueError("a block's number is none")
    if block.stored > _MAX_STORED or block.crc32 >= 1 << 32:
        raise ValueError(f"block {block.number} is larger than a block can be")
    return block


def parse_entry(line: bytes) -> Entry:
    """ValueError, KeyError or TypeError when it is none, or when its path could lead anywhere but below a folder."""
    d = json.loads(line)
    entry = Entry(
        _path(d["path"]), d["type"], int(d["mode"], 8), d["uid"], d["gid"], d["user"], d["group"], d["mtime_ns"],
        d["size"], None, None, None, {}, None, d.get("sha256"), d.get("offset"), d["state"],
    )  # fmt: skip
    if entry.type not in _TYPES or entry.state not in _STATES:
        raise ValueError("unknown type or state")
    uid, gid, size, mtime_ns = entry.uid, entry.gid, entry.size, entry.mtime_ns
    if {type(uid), type(gid), type(size), type(mtime_ns), type(entry.offset or 0)} != {int}:
        raise ValueError("a number is none")
    owned = 0 <= uid < _NO_ID and 0 <= gid < _NO_ID
    if not owned or not 0 <= size < _LARGE or not 0 <= entry.mode < 0o10000 or abs(mtime_ns) >= _LATEST:
        raise ValueError("a number is out of range")
    if not isinstance(entry.user, str) or not isinstance(entry.group, str):
        raise ValueError("an owner is no text")
    if entry.type == model.FILE and entry.offset is not None and not isinstance(entry.sha256, str):
        raise ValueError("a stored file has no sha256")
    if entry.type == model.SYMLINK and entry.offset is not None:
        entry.link = _clean(d["link"])
    elif entry.type == model.HARDLINK:
        entry.leader = _path(d["leader"])
    if "rdev" in d:
        major, minor = d["rdev"]
        if any(not whole(number) or not 0 <= number < _LARGE_RDEV for number in (major, minor)):
            raise ValueError("a device's number is out of range")
        entry.rdev = (major, minor)
    if "xattrs" in d:
        for name in d["xattrs"]:
            _clean(name)
        entry.xattrs = {name: base64.b64decode(value, validate=True) for name, value in d["xattrs"].items()}
    if "sparse" in d:
        entry.sparse = _regions(d["sparse"], entry.size)
    entry.sha256_of = d.get("sha256_of")
    if entry.sha256 is not None and entry.sha256_of != hashed(entry.size, entry.sparse):
        raise ValueError("its sha256 is not of what it should be of")
    return entry


def checked(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries, in the one order an archive has. ValueError where one comes twice, late, or below a non-folder."""
    previous: Optional[Entry] = None
    last: tuple = ()
    for entry in entries:
        key = order(entry.path)
        if previous is not None:
            if key <= last:
                raise ValueError(f"{model.shown(entry.path)} comes twice or out of order")
            if previous.type != model.DIRECTORY and entry.path.startswith(previous.path + b"/"):
                raise ValueError(f"{model.shown(entry.path)} lies below something that is no folder")
        if entry.leader is not None and order(entry.leader) >= key:
            raise ValueError(f"{model.shown(entry.path)} is a hard link to something that comes later")
        previous, last = entry, key
        yield entry


def _clean(name: str) -> bytes:
    value = raw(name)
    if not value or b"\0" in value:
        raise ValueError("an empty name, or one with a zero byte")
    return value


def _path(name: str) -> bytes:
    """A relative path that cannot leave the folder it is put under."""
    path = _clean(name)
    if path != b"." and not _NO_NAMES.isdisjoint(path.split(b"/")):
        raise ValueError(f"unsafe path {model.shown(path)}")
    if path == model.EMBEDDED_NAME:
        raise ValueError(f"the reserved path {model.shown(path)}")
    return path


def _regions(pairs: Any, size: int) -> list:
    end, regions = 0, []
    for offset, length in pairs:
        if not whole(offset) or not whole(length) or offset < end or length <= 0 or offset + length > size:
            raise ValueError("a sparse map that does not fit the size")
        end = offset + length
        regions.append((offset, length))
    return regions
