# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tar header bytes of an entry: POSIX ustar, with a pax extended header in front where ustar is too small.

The bytes are a pure function of the `Entry`. So a reader need not parse and compare field by field: it builds the
header again from the manifest's line and compares bytes, and nothing can hide in a header.

Formats: POSIX.1-2008 pax; `SCHILY.xattr.*` and `SCHILY.acl.*` as star, GNU tar and libarchive use them;
GNU.sparse 1.0 as GNU tar documents it.
"""

from __future__ import annotations

import posixpath
import struct
import zlib
from functools import lru_cache
from typing import List, Optional, Tuple

from . import _acl
from .model import BLOCK, CHARACTER, DIRECTORY, EMBEDDED_NAME, FIFO, FILE, HARDLINK, SYMLINK, Entry, padding

_TYPEFLAG = {FILE: b"0", HARDLINK: b"1", SYMLINK: b"2", CHARACTER: b"3", BLOCK: b"4", DIRECTORY: b"5", FIFO: b"6"}
_MAX_ID = 0o7777777
_MAX_SIZE = _MAX_TIME = 0o77777777777
# name, ids, size and time, checksum, type flag, link, owners, prefix; what is shorter is filled with zeros
_LAYOUT = struct.Struct("100s24s24s8s1s100s88s167s")
_PAX_NAME = b"././@PaxHeader"

Records = List[Tuple[bytes, bytes]]


def header(entry: Entry) -> bytes:
    """Everything that stands before the entry's content: pax header where needed, ustar header, sparse map.

    A time's part below a second alone is not worth a pax header, which is 1 KiB more an entry: the manifest has it.
    """
    name = entry.path + b"/" if entry.type == DIRECTORY else entry.path
    sparse_map = b""
    if entry.sparse is not None:
        sparse_map = _sparse_map(entry)
        name = posixpath.join(posixpath.dirname(name), b"GNUSparseFile.0", posixpath.basename(name))
    size = len(sparse_map) + stored_size(entry)
    link = entry.leader if entry.type == HARDLINK else entry.link
    link = b"" if link is None else link
    user, group = _owner(entry.user), _owner(entry.group)
    seconds = entry.mtime_ns // 1_000_000_000
    prefix, short = _split(name)
    records = _records(entry, name if short is None else b"", link, user, group, size, seconds)
    if records:
        seconds = min(max(seconds, 0), _MAX_TIME)
        size = min(size, _MAX_SIZE)
    major, minor = entry.rdev or (0, 0)
    ustar = _ustar(
        name[:100] if short is None else short, entry.mode & 0o7777, min(entry.uid, _MAX_ID), min(entry.gid, _MAX_ID),
        size, seconds, _TYPEFLAG[entry.type], link[:100], user[:31], group[:31], major, minor, prefix,
    )  # fmt: skip
    return (_pax(records) if records else b"") + ustar + sparse_map


def _records(entry: Entry, name: bytes, link: bytes, user: bytes, group: bytes, size: int, seconds: int) -> Records:
    """What ustar cannot say; `name` is empty where it can."""
    records: Records = []
    if name:
        records.append((b"path", name))
    if len(link) > 100:
        records.append((b"linkpath", link))
    if len(user) > 31:
        records.append((b"uname", user))
    if len(group) > 31:
        records.append((b"gname", group))
    if records and not _is_utf8(records):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    if not 0 <= seconds <= _MAX_TIME:
        records.append((b"mtime", _decimal(entry.mtime_ns)))
    if size > _MAX_SIZE:
        records.append((b"size", b"%d" % size))
    if entry.uid > _MAX_ID:
        records.append((b"uid", b"%d" % entry.uid))
    if entry.gid > _MAX_ID:
        records.append((b"gid", b"%d" % entry.gid))
    if entry.xattrs:
        records.extend(_xattr_records(entry))
    if entry.sparse is not None:
        records.append((b"GNU.sparse.major", b"1"))
        records.append((b"GNU.sparse.minor", b"0"))
        records.append((b"GNU.sparse.name", entry.path))
        records.append((b"GNU.sparse.realsize", b"%d" % entry.size))
    return records


def embedded_header(size: int) -> bytes:
    """The tar header of the embedded manifest: the same for all archives but for its size."""
    return header(Entry(EMBEDDED_NAME, FILE, 0o600, 0, 0, "", "", 0, size))


@lru_cache(maxsize=1024)
def _owner(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def stored_size(entry: Entry) -> int:
    """How many content bytes the archive holds for this entry (the data regions only, where it is sparse)."""
    if entry.type != FILE:
        return 0
    return entry.size if entry.sparse is None else sum(length for _offset, length in entry.sparse)


def span(entry: Entry, header_length: int) -> int:
    """Bytes from the entry's first header to the next entry's."""
    content = stored_size(entry)
    return header_length + content + padding(content)


def _ustar(name, mode, uid, gid, size, mtime, typeflag, link, user, group, major, minor, prefix) -> bytes:
    ids, owners, known = _shared(mode, uid, gid, typeflag, user, group, major, minor)
    numbers = b"%011o\0%011o\0" % (size, mtime)
    total = known + _sum(name) + _sum(numbers) + _sum(link) + _sum(prefix)
    return _LAYOUT.pack(name, ids, numbers, b"%06o\0 " % total, typeflag, link, owners, prefix)


@lru_cache(maxsize=1024)
def _shared(mode, uid, gid, typeflag, user, group, major, minor) -> Tuple[bytes, bytes, int]:
    """What many entries have in common: the fields before the size, those behind the link, and the sum of their bytes,
    of the type flag and of the blanks that stand for the checksum while it is made."""
    ids = b"%07o\0%07o\0%07o\0" % (mode, uid, gid)
    owners = b"ustar\x0000" + struct.pack("32s32s", user, group) + b"%07o\0%07o\0" % (major, minor)
    return ids, owners, sum(ids) + sum(owners) + sum(typeflag) + 8 * ord(" ")


def _sum(part: bytes) -> int:
    """Of up to 256 bytes: Adler-32's low half is 1 + their sum (mod 65521, which that few cannot reach)."""
    return (zlib.adler32(part) & 0xFFFF) - 1


def _pax(records: Records) -> bytes:
    body = b"".join(_record(key, value) for key, value in records)
    return _pax_header(len(body)) + body + bytes(padding(len(body)))


@lru_cache(maxsize=256)
def _pax_header(size: int) -> bytes:
    return _ustar(_PAX_NAME, 0o644, 0, 0, size, 0, b"x", b"", b"", b"", 0, 0, b"")


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> key=value\\n`, where the length counts itself."""
    size = len(key) + len(value) + 3
    total = size + len(str(size))
    if size + len(str(total)) != total:
        total += 1
    return b"%d %s=%s\n" % (total, key, value)


def _split(name: bytes) -> Tuple[bytes, Optional[bytes]]:
    """(prefix, name) as ustar stores them; (b"", None) when the name does not fit."""
    if len(name) <= 100:
        return b"", name
    if len(name) <= 256:
        # the leftmost slash that leaves a name of 100 bytes or fewer: a folder's own last slash cannot be it
        cut = name.find(b"/", len(name) - 101, len(name) - 1)
        if 0 < cut <= 155:
            return name[:cut], name[cut + 1 :]
    return b"", None


def _is_utf8(records: Records) -> bool:
    try:
        for _key, value in records:
            value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decimal(nanoseconds: int) -> bytes:
    sign = b"-" if nanoseconds < 0 else b""
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    fraction = (b".%09d" % rest).rstrip(b"0") if rest else b""
    return sign + b"%d" % seconds + fraction


def _xattr_records(entry: Entry) -> Records:
    records = []
    for name in sorted(entry.xattrs):
        value = entry.xattrs[name]
        acl = _acl.to_text(value) if name in _acl.PAX_KEYS else None
        if acl is not None:
            records.append((_acl.PAX_KEYS[name], acl))
        else:
            # a pax key cannot hold "=": escaped the way GNU tar does
            key = name.replace("%", "%25").replace("=", "%3D").encode("utf-8", "surrogateescape")
            records.append((b"SCHILY.xattr." + key, value))
    return records


def _sparse_map(entry: Entry) -> bytes:
    regions = list(entry.sparse or [])
    if not regions or sum(regions[-1]) < entry.size:
        regions.append((entry.size, 0))  # GNU tar's way to say that the file ends in a hole
    body = b"%d\n" % len(regions) + b"".join(b"%d\n%d\n" % region for region in regions)
    return body + bytes(padding(len(body)))
