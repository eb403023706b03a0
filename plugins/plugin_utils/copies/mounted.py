# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place for copies that is mounted on the controller: a disk, a share."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .store import READ_BACK, Reader, Writer, hash_of, told

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mounted:
    """A `Store` in a folder of the controller."""

    def __init__(self, path: Path, append_only: bool = False) -> None:
        self.path, self.append_only = path, append_only
        self.place = str(path)

    def files(self, folder: str) -> dict[str, int]:
        return {entry.name: entry.stat().st_size for entry in self._entries(folder) if entry.is_file()}

    def changed_since(self, folder: str, moment: float) -> set[str]:
        return {entry.name for entry in self._entries(folder) if entry.is_file() and entry.stat().st_mtime > moment}

    def free(self, folder: str) -> int | None:
        with contextlib.suppress(OSError):
            found = os.statvfs(self.path / folder)
            return found.f_bavail * found.f_frsize if found.f_blocks else None
        return None

    def folders(self, folder: str) -> list[str]:
        return sorted(entry.name for entry in self._entries(folder) if entry.is_dir(follow_symlinks=False))

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        with told(self.place, folder):
            try:
                with os.scandir(self.path / folder) as entries:
                    return list(entries)
            except FileNotFoundError:
                return []

    def make_folder(self, folder: str) -> None:
        with told(self.place, folder):
            atomic.make_folder(str(self.path / folder))

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[Reader]:
        """From the disk, not from what this machine still has of it in memory."""
        with told(self.place, path), (self.path / path).open("rb", buffering=0) as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            yield stream

    @contextlib.contextmanager
    def writing(self, path: str, at: int | None) -> Iterator[Writer]:
        how = os.O_EXCL if at is None else 0
        with told(self.place, path):
            handle = os.open(self.path / path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | how, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.truncate(at or 0)
                stream.seek(at or 0)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            atomic.sync_folder(os.path.dirname(self.path / path))

    def rename(self, path: str, name: str) -> None:
        source = self.path / path
        with told(self.place, path):
            os.rename(source, source.with_name(name))
            atomic.sync_folder(str(source.parent))

    def remove(self, path: str) -> None:
        with told(self.place, path), contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / path)

    def hashed(self, path: str, expected: str) -> tuple[str, str]:
        with self.reading(path) as stream:
            return hash_of(stream), READ_BACK

    def again(self) -> None:
        """There is no connection."""


def require_mount(path: Path, home: Path, mounts: Path = _MOUNTS) -> None:
    """Raises UpkeepError `copy_not_mounted` where `path` is on the root file system or on the vault's own.

    The trap is the disk that is not there: its empty mount point takes everything, and fills what is under it.
    """
    with contextlib.suppress(OSError):
        os.listdir(path)  # wakes an automounter
    points = _mount_points(mounts)
    point = _mount_of(path, points)
    if point == "/" or point == _mount_of(home, points):
        whose = "the root file system" if point == "/" else f"the file system of the vault ({point})"
        raise UpkeepError(
            "copy_not_mounted",
            f"path: {path} lies on {whose}; is the disk not mounted? Mount it, or set require_mount: false where this "
            "is meant.",
            path=str(path),
        )


def _mount_of(path: Path, points: list[str]) -> str:
    real = os.path.realpath(path)
    return max((p for p in points if p == "/" or real == p or real.startswith(p + "/")), key=len, default="/")


def _mount_points(mounts: Path) -> list[str]:
    """Field 5 of proc(5)'s mountinfo, where blanks and backslashes are octal; not what waits to be mounted."""
    found = []
    for line in mounts.read_text("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] != "autofs":
            found.append(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
    return found
