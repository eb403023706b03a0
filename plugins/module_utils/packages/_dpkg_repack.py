# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package file made of what is installed, where the original can no longer be had: archives drop what they supersede.

What dpkg-repack does, without it: a .deb (deb(5)) of the files that dpkg's list names, as they lie on the disk, the
scripts that dpkg keeps, and the package's own fields. Except for edited configuration files: as what the package brings
counts a note in their place, so that dpkg goes on to take them for edited, and keeps them.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import stat
import tarfile
from typing import BinaryIO, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ..errors import UpkeepError
from ._deb822 import paragraph
from ._files import text_or_none

_NOT_OF_THE_PACKAGE = ("status", "conffiles", "config-version", "triggers-pending", "triggers-awaited")
_FIELD = re.compile(r"^(\S+?):.*(?:\n[ \t].*)*", re.MULTILINE)
_PLACEHOLDER = b"The original of this file was not kept; the one beside it is yours, as it was.\n"
_LEVEL = 1  # gzip: it is read once, if at all


def repack(name: str, arch: str, status_path: str, path: str, root: str = "/") -> None:
    """Write the package `name`, as it is installed, to `path`; there whole or not at all.

    `status_path` is dpkg's status file. Raises OSError, and UpkeepError `repack_failed` where dpkg knows too little.
    """
    admin = os.path.dirname(status_path)
    block = _block(status_path, name, arch)
    listed, own = _info(admin, name, arch)
    if block is None or listed is None:
        raise UpkeepError("repack_failed", f"dpkg does not know the files of {name}:{arch}.")
    edited = _edited(paragraph(block).get("conffiles", ""), root)
    beside = path + ".new"
    with open(beside, "wb") as stream:  # noqa: PTH123
        os.fchmod(stream.fileno(), 0o600)
        stream.write(b"!<arch>\n")
        _member(stream, "debian-binary", lambda member: member.write(b"2.0\n"))
        _member(stream, "control.tar.gz", lambda member: _control(member, block, own))
        _member(stream, "data.tar.gz", lambda member: _data(member, listed, edited, _diverted(admin, name), root))
    os.rename(beside, path)


def _block(status_path: str, name: str, arch: str) -> Optional[str]:
    """The package's paragraph of the status file."""
    for block in (text_or_none(status_path) or "").split("\n\n"):
        if f"Package: {name}\n" in block:
            fields = paragraph(block)
            if (fields.get("package"), fields.get("architecture")) == (name, arch):
                return block.strip("\n")
    return None


def _info(admin: str, name: str, arch: str) -> Tuple[Optional[List[str]], Dict[str, str]]:
    """The paths that the package has, and dpkg's files for it: what they are called in a package -> their path."""
    folder = os.path.join(admin, "info")
    for stem in (f"{name}:{arch}.", f"{name}."):  # with the architecture where several may be installed together
        text = text_or_none(os.path.join(folder, stem + "list"))
        if text is not None:
            files = (each for each in os.listdir(folder) if each.startswith(stem))
            parts = {each[len(stem) :]: os.path.join(folder, each) for each in files}
            # python3.postinst is python3's, python3.11.postinst is not.
            own = {part: path for part, path in parts.items() if "." not in part and part != "list"}
            return [line for line in text.splitlines() if line.startswith("/")], own
    return None, {}


def _edited(conffiles: str, root: str) -> Dict[str, bool]:
    """Whether each configuration file is another than the package brought (its MD5 is what dpkg knows), or is gone."""
    found = {}
    for line in conffiles.splitlines():
        words = line.rsplit(" ", 2) if line.endswith(" obsolete") else line.rsplit(" ", 1)
        if len(words) == 2:
            found[words[0]] = _md5(os.path.join(root, words[0].lstrip("/"))) != words[1]
    return found


def _md5(path: str) -> Optional[str]:
    import hashlib

    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return hashlib.new("md5", stream.read(), usedforsecurity=False).hexdigest()
    except TypeError:  # before Python 3.9
        with open(path, "rb") as stream:  # noqa: PTH123
            return hashlib.new("md5", stream.read()).hexdigest()
    except OSError:
        return None


def _diverted(admin: str, name: str) -> Dict[str, str]:
    """Where files of the package really lie: other packages had dpkg put them elsewhere (dpkg-divert)."""
    lines = (text_or_none(os.path.join(admin, "diversions")) or "").splitlines()
    triples = zip(lines[::3], lines[1::3], lines[2::3])
    return {path: elsewhere for path, elsewhere, by in triples if by != name}


def _member(stream: BinaryIO, name: str, fill: Callable[[BinaryIO], object]) -> None:
    """A member of an ar(5) archive; its size is known when it is written."""
    head = stream.tell()
    stream.write(b" " * 60)
    fill(stream)
    end = stream.tell()
    size = end - head - 60
    if size % 2:
        stream.write(b"\n")
    stream.seek(head)
    stream.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{size:<10}`\n".encode("ascii"))
    stream.seek(0, os.SEEK_END)


@contextlib.contextmanager
def _tar(stream: BinaryIO) -> Iterator[tarfile.TarFile]:
    # GNU's format is the one that dpkg reads, long names included.
    packed = gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=_LEVEL, mtime=0)
    with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        yield tar


def _control(stream: BinaryIO, block: str, own: Dict[str, str]) -> None:
    fields = [match.group(0) for match in _FIELD.finditer(block) if match.group(1).lower() not in _NOT_OF_THE_PACKAGE]
    with _tar(stream) as tar:
        _put(tar, "./control", ("\n".join(fields) + "\n").encode(), 0o644)
        for name, path in sorted(own.items()):
            with open(path, "rb") as content:  # noqa: PTH123
                _put(tar, f"./{name}", content.read(), stat.S_IMODE(os.stat(path).st_mode))


def _data(
    stream: BinaryIO, listed: Sequence[str], edited: Dict[str, bool], diverted: Dict[str, str], root: str
) -> None:
    above = {os.path.dirname(path) for path in listed}
    with _tar(stream) as tar:
        for path in listed:
            real = os.path.join(root, diverted.get(path, path).lstrip("/"))
            inside = "./" if path == "/." else f".{path}"
            if edited.get(path):
                _put(tar, inside, _PLACEHOLDER, 0o644)
                continue
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # left out on this host, or deleted
                # What holds files of the package is a folder to it, also where this host has a link in its place.
                entry = tar.gettarinfo(os.path.realpath(real) if path in above else real, inside)
                if entry.isreg() and entry.size:
                    with open(real, "rb") as content:  # noqa: PTH123
                        tar.addfile(entry, content)
                else:
                    tar.addfile(entry)


def _put(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uname, entry.gname = len(content), mode, "root", "root"
    tar.addfile(entry, io.BytesIO(content))
