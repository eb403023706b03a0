# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An excerpt of apt's package lists: every package that an upgrade of the installed ones could touch, and no other.

A distribution offers sixty thousand packages, a host has some hundreds, and apt looks at all of them whatever it is
asked. What an upgrade may install is what the installed packages are, what they depend on or recommend, as they are and
at any offered version, what provides that, and so on; besides, what is essential. With lists cut down to that, apt
decides the same wherever nothing is in the way of anything else.

Holds for apt's classic solver, which follows dependencies alone (pkgDistUpgrade and pkgProblemResolver in apt-pkg). The
one of apt 3.1 also looks at what else a source package offers: it is given the whole lists, as is whatever is in doubt.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from .. import atomic, state
from ..version import VERSION
from ._apt_view import Paths, has_cache_room
from ._dpkg import DpkgPackage
from ._last_answer import fingerprint

_CACHE_ROOM = 32 << 20
_HELPER = "/usr/lib/apt/apt-helper"
_TIMEOUT = 120  # seconds
_INDEX = re.compile(r"^(.+_Packages)(\.(?:lz4|gz|xz|bz2|zst|lzma))?$")
_RELEASE = re.compile(r"_(?:InRelease|Release|Release\.gpg)$")
_HEAD = b"Package: "
_NEEDS = re.compile(rb"^(?:Pre-Depends|Depends|Recommends):(.*(?:\n[ \t].*)*)", re.MULTILINE)
_NAME = re.compile(rb"(?:^|[,|])\s*([^\s,|(:\[]+)")
# dist-upgrade installs what is essential or important even if nobody asks for it, and apt itself.
_ALWAYS = (b"\nEssential: yes", b"\nImportant: yes", b"\nProtected: yes")
_APT = b"apt"


class Doubt(Exception):
    """The lists are not what this can cut; the reason is of no interest: apt takes the whole ones."""


@contextlib.contextmanager
def excerpt(
    paths: Paths, apt_version: str, installed: Iterable[DpkgPackage], keep: bool
) -> Iterator[Optional[Tuple[str, str]]]:
    """(folder of lists, path of a package cache) for apt to use; None where it should use its own.

    `installed` names the packages and, in their fields, what they need as they are. `keep`: in the state folder, where
    the next collection finds it again, as long as the lists stay what they are and nothing is installed that it does
    not know.
    """
    with contextlib.ExitStack() as stack:
        made: Optional[Tuple[str, str]] = None
        if _is_classic(apt_version, paths.solver) and not paths.suggests:
            with contextlib.suppress(Doubt, OSError, ValueError):
                folder = stack.enter_context(_folder(keep))
                made = _ensure(folder, paths, _wanted(installed))
        yield made


def _is_classic(version: str, solver: str) -> bool:
    numbers = [int(digits) for digits in re.findall(r"\d+", version)[:2]]
    return solver in ("", "internal") and len(numbers) == 2 and [1, 1] <= numbers < [3, 1]


def _wanted(installed: Iterable[DpkgPackage]) -> Set[bytes]:
    found = set()
    for package in installed:
        found.add(package.name.encode())
        for field in ("depends", "pre-depends", "recommends"):
            found.update(_NAME.findall(package.fields.get(field, "").encode()))
    return found


@contextlib.contextmanager
def _folder(keep: bool) -> Iterator[str]:
    """A folder that is this process's alone: the kept one if nobody else has it, else one that goes away."""
    kept = _take_kept() if keep else None
    if kept is None:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="upkeep-apt-") as folder:
            yield folder
        return
    folder, handle = kept
    try:
        yield folder
    finally:
        os.close(handle)


def _take_kept() -> Optional[Tuple[str, int]]:
    """The kept folder and the descriptor that locks it, None where it cannot be had."""
    try:
        folder = state.ensure("patch_level", "apt-lists")
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return folder, handle


def _ensure(folder: str, paths: Paths, installed: Set[bytes]) -> Tuple[str, str]:
    lists, note = os.path.join(folder, "lists"), os.path.join(folder, "known.json")
    pkgcache = os.path.join(folder, "pkgcache.bin")
    made = os.path.join(lists, ""), pkgcache if has_cache_room(pkgcache, _CACHE_ROOM) else ""
    # The lists alone: a refresh that brought nothing new leaves its marks beside them.
    wanted = [name for name in os.listdir(paths.lists) if _INDEX.match(name) or _RELEASE.search(name)]
    asked = [VERSION, paths.lists, fingerprint(os.path.join(paths.lists, name) for name in wanted)]
    known = _read(note)
    intact = known is not None and known["asked"] == asked and known["lists"] == fingerprint([lists])
    if known and intact and installed <= {name.encode() for name in known["names"]}:
        return made
    atomic.make_folder(lists)
    for name in os.listdir(lists):
        os.unlink(os.path.join(lists, name))
    names = _write(paths, lists, installed)
    found = {"asked": asked, "lists": fingerprint([lists]), "names": [name.decode() for name in sorted(names)]}
    atomic.write_bytes(note, json.dumps(found).encode("ascii"))
    return made


def _read(note: str) -> Optional[Dict[str, Any]]:
    try:
        with os.fdopen(os.open(note, os.O_RDONLY | os.O_CLOEXEC), "rb") as stream:
            known = json.loads(stream.read())
        return known if known.keys() == {"asked", "lists", "names"} else None
    except (OSError, ValueError, AttributeError):
        return None


def _write(paths: Paths, lists: str, installed: Set[bytes]) -> Set[bytes]:
    """Cut the lists of `paths` into the folder `lists`; the names that matter, virtual ones among them."""
    indexes: Dict[str, str] = {}
    for name in sorted(os.listdir(paths.lists)):
        match = _INDEX.match(name)
        if match:
            if match.group(1) in indexes:
                raise Doubt  # the same list twice: which of them counts is apt's business
            indexes[match.group(1)] = os.path.join(paths.lists, name)
        elif _RELEASE.search(name):
            os.symlink(os.path.join(paths.lists, name), os.path.join(lists, name))
    index = _Index()
    parts = {name: index.add(text) for name, text in zip(indexes, _contents(list(indexes.values())))}
    names = index.closure(installed)
    for name, packages in parts.items():
        with os.fdopen(os.open(os.path.join(lists, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.writelines(said + b"\n\n" for each, said in packages.items() if each in names)
    return names


def _contents(files: List[str]) -> Iterator[bytes]:
    """The contents of lists, unpacked, with two newlines before the first paragraph. Raises Doubt."""
    # All at once: each waits with what it unpacked until it is read.
    helpers = [
        None
        if path.endswith("_Packages")
        else subprocess.Popen(  # pylint: disable=ansible-bad-function
            [_HELPER, "cat-file", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for path in files
    ]
    try:
        for path, helper in zip(files, helpers):
            if helper is None:
                with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as stream:
                    text = stream.read()
            else:
                try:
                    text = helper.communicate(timeout=_TIMEOUT)[0]
                except subprocess.TimeoutExpired:
                    raise Doubt
                if helper.returncode:
                    raise Doubt
            yield b"\n\n" + text
    finally:
        for helper in filter(None, helpers):
            if helper.returncode is None:
                helper.kill()
                helper.communicate()


class _Index:
    """What each list says of each package, by its name, and who provides a name."""

    def __init__(self) -> None:
        self._parts: List[Dict[bytes, bytes]] = []
        self._providers: Dict[bytes, List[bytes]] = {}
        self._always: List[bytes] = [_APT]

    def add(self, text: bytes) -> Dict[bytes, bytes]:
        """Take in a list; its paragraphs by name. Raises Doubt where one does not begin with its name."""
        part: Dict[bytes, bytes] = {}
        for paragraph in text.split(b"\n\n"):
            if paragraph.startswith(_HEAD):
                name = paragraph[9 : paragraph.find(b"\n")]
                part[name] = b"%s\n\n%s" % (part[name], paragraph) if name in part else paragraph
            elif paragraph.strip():
                raise Doubt
        for name, value in _fields(text, b"\nProvides:"):
            for provided in _NAME.findall(value):
                self._providers.setdefault(provided, []).append(name)
        for mark in _ALWAYS:
            self._always += [name for name, _value in _fields(text, mark)]
        self._parts.append(part)
        return part

    def closure(self, installed: Set[bytes]) -> Set[bytes]:
        """All names that an upgrade of these could come to."""
        found: Set[bytes] = set()
        waiting = [*installed, *self._always]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            waiting += self._providers.get(name, ())
            for part in self._parts:
                for value in _NEEDS.findall(part.get(name, b"")):
                    waiting += _NAME.findall(value)
        return found


def _fields(text: bytes, mark: bytes) -> Iterator[Tuple[bytes, bytes]]:
    """The package and the value of each line that begins with `mark`. Looking for lines takes a tenth of what looking
    into each paragraph does. Raises Doubt where a value goes on in the next line."""
    place = text.find(mark)
    while place >= 0:
        head = text.rfind(b"\n\n", 0, place + 1) + 2 + len(_HEAD)
        end = text.find(b"\n", place + len(mark))
        if end < 0 or text[end + 1 : end + 2] in (b" ", b"\t"):
            raise Doubt
        yield text[head : text.find(b"\n", head)], text[place + len(mark) : end]
        place = text.find(mark, end)
