# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder that a restore is tried in: made or taken over only when that destroys nothing that is not ours."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from ansible_collections.proven.upkeep.plugins.module_utils.atomic import make_folder
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import SCRATCH_MARKER

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MARKER = os.fsdecode(SCRATCH_MARKER)
DEFAULT_ACL = "system.posix_acl_default"
_MARKER_TEXT = "A restore was tried here. This folder is emptied by the next one.\n"


class Scratch:
    """An empty folder at `path`, 0700, with our marker in it. `remove` takes away what `prepare` made."""

    def __init__(self, path: str) -> None:
        full = os.path.abspath(path)
        self.path = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        self._made = False
        self._before = ""

    def check(self, archive: str) -> None:
        """Refuse a folder that holds anything else. UpkeepError dest_not_empty, dest_not_a_folder, bad_parameter."""
        path = self.path
        if path == "/" or os.path.realpath(archive).startswith(path + os.sep):
            raise UpkeepError("bad_parameter", f"dest: {path} holds the archive itself; choose another folder.")
        if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
            message = f"dest: {path} is not a folder; choose another name."
            raise UpkeepError("dest_not_a_folder", message, path=path)
        try:
            names = os.listdir(path) if os.path.isdir(path) else []
        except OSError as error:
            raise UpkeepError("dest_unwritable", f"dest: {path} cannot be read ({error.strerror}).", path=path)
        if names and MARKER not in names:
            message = f"dest: {path} is not empty and not a scratch folder of this module; empty it or choose another."
            raise UpkeepError("dest_not_empty", message, path=path)

    def prepare(self) -> int:
        """Make it, or empty it; its descriptor, which keeps others out while it is open.

        Raises OSError, and UpkeepError `dest_locked` while another test uses it.
        """
        if not os.path.isdir(self.path):
            make_folder(self.path)
            self._made = True
        fd = os.open(self.path, _FOLDER)
        try:
            self._lock(fd)
            os.fchmod(fd, 0o700)
            with contextlib.suppress(OSError):  # what is restored here must inherit nothing
                os.removexattr(fd, DEFAULT_ACL)
            empty(fd, keep=MARKER)
            marker_fd = os.open(MARKER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=fd)
            with os.fdopen(marker_fd, "r+", errors="replace") as marker:
                self._before = marker.read(4096)
                marker.seek(0)
                marker.truncate()
                marker.write(_MARKER_TEXT)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one who had it before may have removed it between our two steps.
            ours = os.path.samestat(os.fstat(fd), os.stat(self.path, follow_symlinks=False))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        if not ours:
            message = f"dest: another restore test is using {self.path} right now; wait for it to end."
            raise UpkeepError("dest_locked", message, path=self.path)

    def remember(self, sha256: str | None) -> bool:
        """Note which archive is restored here; whether that is another one than before. Raises OSError."""
        text = f"{_MARKER_TEXT}{sha256}\n"
        fd = os.open(os.path.join(self.path, MARKER), os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with os.fdopen(fd, "w") as marker:
            marker.write(text)
        return text != self._before

    def remove(self) -> None:
        """Empty it; remove it too where it was not there before. Raises OSError."""
        fd = os.open(self.path, _FOLDER)
        try:
            empty(fd, keep=MARKER)
            with contextlib.suppress(FileNotFoundError):  # last: a kill on the way leaves a folder known for ours
                os.unlink(MARKER, dir_fd=fd)
        finally:
            os.close(fd)
        if self._made:
            os.rmdir(self.path)


def empty(fd: int, keep: str = "") -> None:
    """Remove everything in a folder, never following a link, never entering another file system."""
    device = os.fstat(fd).st_dev
    frames = [(fd, _names(fd, keep))]
    while frames:
        folder, names = frames[-1]
        if not names:
            frames.pop()
            if frames:
                os.close(folder)
                os.rmdir(frames[-1][1].pop(), dir_fd=frames[-1][0])
            continue
        info = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(info.st_mode):
            os.unlink(names.pop(), dir_fd=folder)
            continue
        below = _enter(names[-1], folder)
        frames.append((below, []))
        if os.fstat(below).st_dev != device:
            raise OSError(16, "a file system is mounted below the scratch folder")
        with contextlib.suppress(OSError):  # a folder of our own that may not be written to
            os.fchmod(below, 0o700)
        frames[-1] = (below, _names(below))


def _enter(name: bytes, parent: int) -> int:
    """Open a folder that may be unreadable, if it is our own: never another one that took its place as a link."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)
        return os.open(".", _FOLDER, dir_fd=handle)
    finally:
        os.close(handle)


def _names(fd: int, keep: str = "") -> list:
    return [os.fsencode(name) for name in os.listdir(fd) if name != keep]
