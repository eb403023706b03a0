# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pacman's databases: what is installed, and what the repositories offer.

Formats (pacman's own; alpm-db-desc(5) and alpm-repo-db(7) of Arch's alpm project): `local/<name>-<version>/desc`, and
`sync/<name>.db`, a compressed tar with such a desc for each package. In a desc, `%FIELD%` stands above its lines.
Read directly: no process, no text in the user's language, and the source package, which pacman does not print.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Set, Tuple

from ..errors import UpkeepError
from ._files import read_text
from .model import Installed

Desc = Dict[str, List[str]]
_BLOCK = 512


@dataclass(frozen=True)
class Local:
    """The installed packages, and the entries of the database that lack their desc: a transaction was cut short."""

    packages: Dict[str, Desc]
    broken: List[str]


def parse_desc(text: str) -> Desc:
    """The fields of a desc by name, each with its lines."""
    found: Desc = {}
    lines: List[str] = []
    for line in text.split("\n"):
        if len(line) > 2 and line[0] == line[-1] == "%":
            lines = found.setdefault(line[1:-1], [])
        elif line:
            lines.append(line)
    return found


def value(desc: Desc, field: str, default: str = "") -> str:
    """The only line of a field."""
    lines = desc.get(field)
    return lines[0] if lines else default


def read_local(dbpath: str) -> Local:
    """What `<dbpath>/local` lists, by name. Raises UpkeepError `package_database_damaged`."""
    folder = os.path.join(dbpath, "local")
    try:
        entries = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    except OSError as error:
        raise _damaged(folder, f"cannot be read: {error.strerror}")
    packages, broken = {}, []
    for entry in entries:
        try:
            desc = parse_desc(read_text(os.path.join(folder, entry, "desc")))
        except FileNotFoundError:
            broken.append(entry)
            continue
        except OSError as error:
            raise _damaged(os.path.join(folder, entry, "desc"), f"cannot be read: {error.strerror}")
        if value(desc, "NAME") and value(desc, "VERSION"):
            packages[value(desc, "NAME")] = desc
        else:
            broken.append(entry)
    return Local(packages, broken)


def installed_list(local: Local, held: Set[str]) -> List[Installed]:
    """The document's `installed`. Packages of one base share its version."""
    return [
        Installed(
            name=name,
            arch=value(desc, "ARCH"),
            version=value(desc, "VERSION"),
            source_name=value(desc, "BASE", name),
            source_version=value(desc, "VERSION"),
            held=name in held,
            auto=value(desc, "REASON", "0") == "1",
            state="installed",
        )
        for name, desc in sorted(local.packages.items())
    ]


def read_sync(path: str, names: Set[str]) -> Dict[str, Desc]:
    """What the repository database at `path` offers of `names`. Raises UpkeepError `package_lists_damaged`."""
    try:
        tar = _plain(Path(path).read_bytes())
        found = (parse_desc(text.decode("utf-8", "replace")) for text in _descs(tar, names))
        return {value(desc, "NAME"): desc for desc in found}
    except (OSError, EOFError, ValueError, UpkeepError) as error:
        raise UpkeepError(
            "package_lists_damaged",
            f"The repository database {path} cannot be read ({error}): `pacman -Syy` fetches it anew.",
            path=path,
        )


def _descs(tar: bytes, names: Set[str]) -> Iterator[bytes]:
    # By hand: tarfile takes seconds for the 30,000 members of a large repository.
    for path, start, size in _members(tar):
        folder, _slash, name = path.rpartition("/")
        if name == "desc" and folder.rsplit("-", 2)[0] in names:
            yield tar[start : start + size]


def _members(tar: bytes) -> Iterator[Tuple[str, int, int]]:
    """(path, where its content begins, how long that is) of each file. Raises ValueError."""
    place, long_path = 0, ""
    while place + _BLOCK <= len(tar) and tar[place + 257]:  # what is no header ends it
        size = int(tar[place + 124 : place + 136].strip(b"\0 ") or b"0", 8)
        kind, start = tar[place + 156 : place + 157], place + _BLOCK
        if size < 0 or start + size > len(tar):
            raise ValueError("it ends in the middle of a file")
        if kind == b"x":
            long_path = _pax_path(tar[start : start + size])
        elif kind in (b"0", b"\0"):
            yield long_path or _ustar_path(tar[place : place + _BLOCK]), start, size
            long_path = ""
        else:
            long_path = ""
        place = start + (size + _BLOCK - 1) // _BLOCK * _BLOCK


def _ustar_path(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:262] == b"ustar" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _pax_path(records: bytes) -> str:
    for record in records.split(b"\n"):
        _length, _space, field = record.partition(b" ")
        if field.startswith(b"path="):
            return field[5:].decode("utf-8", "replace")
    return ""


def _plain(data: bytes) -> bytes:
    """The tar within, whichever of repo-add's compressions it has."""
    if data[:2] == b"\x1f\x8b":
        import zlib

        try:
            return zlib.decompress(data, zlib.MAX_WBITS | 16)
        except zlib.error as error:
            raise ValueError(str(error))
    if data[:4] == b"\x28\xb5\x2f\xfd":
        import io

        from .. import unzst

        return b"".join(unzst.chunks(io.BytesIO(data)))
    if data[:6] == b"\xfd7zXZ\0":
        import lzma

        try:
            return lzma.decompress(data)
        except lzma.LZMAError as error:
            raise ValueError(str(error))
    if data[:3] == b"BZh":
        import bz2

        return bz2.decompress(data)
    return data


def groups(local: Desc, offered: Desc) -> Iterable[str]:
    """The groups of a package, by what is installed and by what is offered."""
    return {*local.get("GROUPS", ()), *offered.get("GROUPS", ())}


def _damaged(path: str, what: str) -> UpkeepError:
    return UpkeepError("package_database_damaged", f"pacman's database {path} {what}.", path=path)
