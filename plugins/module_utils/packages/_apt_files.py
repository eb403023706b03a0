# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Package files for a change with apt: from this host's disk or a repository, verified, in a folder of their own.

apt looks at nothing but the size of a file that it finds in its cache, and at less where it is given a file to install.
What is in a folder of ours is therefore compared with the hash from the signed lists when it comes, and with what the
folder's note says of it before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import pwd
import re
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .. import atomic
from ..errors import UpkeepError
from . import pool
from ._apt_commands import Commands
from ._apt_view import Key, native_key
from ._deb822 import paragraph
from ._run import run

_NOTE = "files.json"
_DOWNLOAD_TIMEOUT = 3600  # seconds
_GONE = re.compile(r"\b404\b|File not found|No such file", re.IGNORECASE)
_FULL = re.compile(r"No space left on device|enough free space", re.IGNORECASE)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Item:
    """A package at one version."""

    name: str
    arch: str
    version: str

    @property
    def file(self) -> str:
        """The file's name, as apt gives it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.arch}.deb"

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.arch})"


class Source:
    """Where package files come from, by apt's lists and this host's disk."""

    def __init__(self, commands: Commands, items: Sequence[Item]) -> None:
        paths = commands.paths()
        self._commands, self._archives, self._native = commands, paths.archives, paths.native
        offered = commands.offered([(self._key(item), item.version) for item in items])
        fields = {item: offered.get((self._key(item), item.version), {}) for item in items}
        self.hashes = {item: found["sha256"] for item, found in fields.items() if "sha256" in found}
        self.sizes = {item: int(found.get("size", 0)) for item, found in fields.items()}

    def _key(self, item: Item) -> Key:
        return native_key(item.name, item.arch, self._native)

    def on_disk(self, item: Item) -> Optional[str]:
        """A file of this host that is that package at that version; where a list knows its hash, with that hash."""
        for path in pool.find(item.file, [self._archives]):
            with contextlib.suppress(OSError, UpkeepError):
                if digest(path) == self.hashes[item] if item in self.hashes else is_package(path, item):
                    return path
        return None

    def download(self, items: Sequence[Item], folder: str) -> Tuple[List[Item], str]:
        """Download into `folder`; what came and is what the lists say, and what apt said where something did not.

        Raises UpkeepError `no_space`, `fetch_failed`.
        """
        if not items:
            return [], ""
        try:
            return self._downloaded(items, folder)
        except OSError as error:
            raise not_written(f"{folder} cannot be written", error, path=folder)

    def _downloaded(self, items: Sequence[Item], folder: str) -> Tuple[List[Item], str]:
        # A folder of the user's that apt lets its downloads run as: it need not be root who talks to the network.
        with tempfile.TemporaryDirectory(prefix="upkeep-", dir=_public_folder(self._archives)) as place:
            _hand_over(place)
            specs = [f"{item.name}:{self._key(item)[1]}={item.version}" for item in items]
            command = ["apt-get", "download", "-q", *self._commands.options(), *specs]
            done = run(command, timeout=_DOWNLOAD_TIMEOUT, allow=(0, 100), folder=place)
            came = []
            for item in items:
                fetched = os.path.join(place, item.file)
                if os.path.isfile(fetched) and not os.path.islink(fetched):
                    arrived = _bring(fetched, folder)
                    if digest(arrived) == self.hashes.get(item):
                        os.rename(arrived, os.path.join(folder, item.file))
                        came.append(item)
                    else:
                        os.unlink(arrived)
        lines = [line[2:].strip() for line in done.stderr.splitlines() if line.startswith("E:")]
        return came, " ".join(lines)


def trouble(lost: Sequence[Item], said: str) -> UpkeepError:
    """What to raise when apt could not fetch these, and said so."""
    names = ", ".join(map(str, lost))
    if _GONE.search(said):
        return moved(lost, "its repository has no such file any more")
    why = said or "what came is not what the lists of this host say."
    code = "no_space" if _FULL.search(said) else "fetch_failed"
    return UpkeepError(
        code, f"{names} could not be fetched, and nothing was changed: {why}", missing=list(map(str, lost))
    )


def moved(gone: Sequence[Item], why: str) -> UpkeepError:
    """What to raise when these cannot be had any more."""
    return UpkeepError(
        "plan_moved",
        f"{', '.join(map(str, gone))} cannot be had: {why}. Nothing was changed; refresh the lists, and plan again.",
        gone=[str(item) for item in gone],
    )


def digest(path: str) -> str:
    """The SHA-256 of a file, in hex. Raises OSError."""
    found = hashlib.sha256()
    with open(path, "rb") as stream:  # noqa: PTH123
        for block in iter(lambda: stream.read(_BLOCK), b""):
            found.update(block)
    return found.hexdigest()


def is_package(path: str, item: Item) -> bool:
    """Whether a file is a package of that name, version and architecture, and whole."""
    said = run(["dpkg-deb", "-f", path, "Package", "Version", "Architecture"], allow=(0, 2))
    fields = paragraph(said.stdout)
    same = (fields.get("package"), fields.get("architecture"), fields.get("version")) == (
        item.name, item.arch, item.version,
    )  # fmt: skip
    return said.rc == 0 and same and run(["dpkg-deb", "--fsys-tarfile", path], allow=(0, 2)).rc == 0


def put(path: str, folder: str) -> None:
    """A file of this host into `folder`, as a link if that can be. Raises UpkeepError `no_space`, `fetch_failed`."""
    try:
        pool.place(path, os.path.join(folder, os.path.basename(path)))
    except OSError as error:
        raise not_written(f"{path} cannot be copied to {folder}", error, path=path)


def write_note(folder: str, items: Iterable[Item], **facts: Any) -> None:
    """What lies in `folder`, and `facts` about the system as it is now. Raises UpkeepError `state_unwritable`."""
    files = [
        {
            "name": item.name,
            "arch": item.arch,
            "version": item.version,
            "sha256": digest(os.path.join(folder, item.file)),
        }
        for item in items
    ]
    try:
        atomic.write_json(os.path.join(folder, _NOTE), {"files": files, **facts})
    except OSError as error:
        raise UpkeepError("state_unwritable", f"{folder} cannot be written ({error.strerror}): make room.", path=folder)


def read_note(folder: str) -> Dict[str, Any]:
    """What `write_note` wrote. Raises UpkeepError `not_fetched`."""
    import json

    path = os.path.join(folder, _NOTE)
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            note = dict(json.load(stream))
        if not all({"name", "arch", "version", "sha256"} <= set(each) for each in note["files"]):
            raise ValueError("it does not say which files there are")
        return {"auto": [], "residues": [], **note}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UpkeepError(
            "not_fetched", f"{path} cannot be read ({error}): there are no package files to install from."
        )


def verified(folder: str, note: Mapping[str, Any], items: Iterable[Item]) -> List[str]:
    """The paths of the files of `items`. Raises UpkeepError `file_changed`, `not_fetched`."""
    known = {Item(each["name"], each["arch"], each["version"]): each["sha256"] for each in note["files"]}
    paths = []
    for item in items:
        path = os.path.join(folder, item.file)
        if item not in known or not os.path.isfile(path):
            raise UpkeepError("not_fetched", f"{path} is missing: {item} cannot be installed.", path=path)
        if digest(path) != known[item]:
            raise UpkeepError(
                "file_changed",
                f"{path} is not the file that was fetched and verified: nothing is installed. Look who changed it, and "
                "run the patch run again.",
                path=path,
            )
        paths.append(path)
    return paths


def not_written(what: str, error: OSError, **details: Any) -> UpkeepError:
    """What to raise when a package file cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    then = "; make room, then run the patch run again" if full else ""
    return UpkeepError(
        "no_space" if full else "fetch_failed",
        f"{what}: {error.strerror or error}; no package was changed{then}.",
        **details,
    )


def _bring(path: str, folder: str) -> str:
    """A file of a folder that others write to into one that is ours, and ours it is; its new path. Raises OSError."""
    target = os.path.join(folder, os.path.basename(path) + ".new")
    try:
        shutil.move(path, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(target)  # the half that fitted
        raise
    os.chown(target, os.geteuid(), os.getegid())
    os.chmod(target, 0o600)
    return target


def _public_folder(archives: str) -> Optional[str]:
    """Where there is room for downloads and others may pass; None: the system's temporary folder."""
    return archives if os.path.isdir(archives) and os.access(archives, os.W_OK) else None


def _hand_over(place: str) -> None:
    with contextlib.suppress(KeyError, OSError):  # no such user: apt downloads as root, as it would anyway
        os.chown(place, pwd.getpwnam("_apt").pw_uid, -1)
