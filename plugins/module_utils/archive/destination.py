# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an archive is published: temporary files with fixed names in the same folder, a lock, and renames at the end.

The temporary archive is the lock: two runs cannot both hold it. Names are fixed, so the leftovers of a killed run are
known. Two files cannot be renamed in one step: the manifest is whole under its temporary name before the archive is
renamed, and `settle` (and the reader) finish the pair when a run died in between.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import BinaryIO, Callable, Iterator, List, NamedTuple

from ansible_collections.proven.upkeep.plugins.module_utils.atomic import make_folder, sync_folder
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import manifest
from .codecs import split_suffix
from .content import sha256_of
from .walk import describe_error

HISTORY = ".history"  # the folder of an archive's predecessors, in place of its suffix
SEALED = ".sealed"  # the folder with an archive's encrypted form, after its suffix
_TEMPORARY = ".upkeep-tmp-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP)


def pending_manifest(archive: str) -> str:
    """Where a manifest waits until its archive is renamed."""
    folder, name = os.path.split(archive)
    return os.path.join(folder, _TEMPORARY + name + manifest.SUFFIX)


def write_error(error: OSError, where: str) -> UpkeepError:
    """What to tell about a failure to write at `where`."""
    what = describe_error(error)
    if error.errno in FULL:
        return UpkeepError("no_space", f"dest: no space left to write {where} ({what}); nothing was replaced.")
    if error.errno in _REFUSED:
        return UpkeepError("dest_unwritable", f"dest: {where} cannot be written ({what}).", path=where)
    return UpkeepError("io_error", f"An error while writing {where}: {what}; nothing was replaced.", path=where)


class Destination(NamedTuple):
    """The archive's final path, and everything beside it that belongs to it."""

    archive: str

    @property
    def folder(self) -> str:
        return os.path.dirname(self.archive)

    @property
    def manifest(self) -> str:
        return self.archive + manifest.SUFFIX

    @property
    def temporary(self) -> str:
        return os.path.join(self.folder, _TEMPORARY + os.path.basename(self.archive))

    @property
    def incomplete(self) -> Destination:
        """Where an archive goes that skipped something: it never replaces a complete one."""
        stem, suffix = split_suffix(self.archive)
        return Destination(stem + ".incomplete" + suffix)

    def names(self) -> Callable[[bytes], bool]:
        """A test for the base names of our own files in `folder`."""
        finals = (self.archive, self.manifest, self.incomplete.archive, self.incomplete.manifest)
        ours = {os.fsencode(os.path.basename(path)) for path in finals}
        ours.add(os.fsencode(os.path.basename(split_suffix(self.archive)[0] + HISTORY)))
        ours.add(os.fsencode(os.path.basename(self.archive) + SEALED))
        prefix = os.fsencode(_TEMPORARY + os.path.basename(self.archive))
        return lambda name: name in ours or name.startswith(prefix)

    def spool(self) -> BinaryIO:
        """A nameless file in `folder`. Where a file system has none (NFS, FUSE), it has a name for a moment: one that
        `settle` knows. Raises OSError."""
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            fd = os.open(self.folder, flags | os.O_TMPFILE, 0o600)
        except OSError:
            path = os.path.join(self.folder, self._spool_prefix + os.urandom(8).hex())
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            stream = os.fdopen(fd, "w+b")
            os.unlink(path)
            return stream
        return os.fdopen(fd, "w+b")

    @property
    def _spool_prefix(self) -> str:
        return os.path.basename(self.temporary) + ".spool-"

    def check(self, make: bool) -> None:
        """Refuse a dest that cannot be; with `make`, make its folder. UpkeepError dest_not_a_file, dest_unwritable."""
        for path in (self.archive, self.manifest):
            if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
                message = f"dest: {path} exists and is not a regular file; choose another name."
                raise UpkeepError("dest_not_a_file", message, path=path)
        try:
            if make:
                make_folder(self.folder)
        except OSError as error:
            raise UpkeepError(
                "dest_unwritable", f"dest: the folder {self.folder} cannot be made ({describe_error(error)})."
            )
        if os.path.isdir(self.folder) and not os.access(self.folder, os.W_OK | os.X_OK):
            raise UpkeepError("dest_unwritable", f"dest: the folder {self.folder} is not writable.", path=self.folder)

    def require_free(self, wanted: int) -> None:
        """UpkeepError `no_space` when the file system of dest has less than `wanted` bytes free for us."""
        place = self.folder
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        info = os.statvfs(place)
        free = info.f_bavail * info.f_frsize
        if free < wanted:
            raise UpkeepError(
                "no_space",
                f"require_free: {self.folder} has {free} bytes free, {wanted} are required; nothing was written.",
                free=free,
                required=wanted,
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[BinaryIO]:
        """The temporary archive, empty, ours alone, unbuffered. It is gone afterwards unless it was published.

        Raises UpkeepError `dest_locked`, OSError.
        """
        stream = self._lock()
        try:
            with self.held():
                stream.truncate(0)
                yield stream
        finally:
            self._remove_temporaries(stream)
            stream.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody replaces the archive that is there now, if there is one. A writer's lock moves with its temporary file
        to the archive's name. Nothing in the folder is touched. Raises UpkeepError `dest_locked`, OSError."""
        try:
            fd = _open_to_lock(self.archive)
        except FileNotFoundError:
            yield
            return
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._in_use()
            if not still_named(fd, self.archive):
                raise self._in_use()
            yield
        finally:
            os.close(fd)

    def _in_use(self) -> UpkeepError:
        message = f"dest: another run is at work on {self.archive} right now; wait for it to end."
        return UpkeepError("dest_locked", message, path=self.archive)

    def remove(self) -> None:
        """Take the pair away, as far as it is there."""
        for path in (self.archive, self.manifest):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _lock(self) -> BinaryIO:
        for _attempt in range(10):
            fd = os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            stream = os.fdopen(fd, "r+b", buffering=0)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if still_named(fd, self.temporary):
                    return stream
            except BlockingIOError:
                stream.close()
                break
            except BaseException:
                stream.close()
                raise
            stream.close()  # its former owner published or removed it between our two steps
        raise self._in_use()

    def _remove_temporaries(self, stream: BinaryIO) -> None:
        """While we hold the lock: a name that is no longer our file belongs to somebody else."""
        if still_named(stream.fileno(), self.temporary):
            for path in (pending_manifest(self.archive), self.temporary):
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def publish(self, target: Destination) -> None:
        """Rename the finished pair to `target`'s names (this destination's own, or its incomplete form)."""
        os.rename(self.temporary, target.archive)
        try:
            os.rename(pending_manifest(self.archive), target.manifest)
        except FileNotFoundError:  # another run took us for dead between the two renames, and did the second for us
            if not belongs(target.manifest, target.archive):
                raise
        sync_folder(self.folder)

    def settle(self) -> List[str]:
        """Clean up behind a killed run: finish a pair that was half renamed, remove what else it left.

        Returns what was done. Raises UpkeepError `dest_locked` when a run is under way, OSError.
        """
        pending = pending_manifest(self.archive)
        spools = [name for name in os.listdir(self.folder) if name.startswith(self._spool_prefix)]
        if not spools and not os.path.lexists(self.temporary) and not os.path.lexists(pending):
            return []
        done = []
        with self.locked():
            for name in spools:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))
            for target in (self, self.incomplete):
                if os.path.lexists(pending) and belongs(pending, target.archive):
                    os.rename(pending, target.manifest)
                    done.append(f"finished the manifest of {target.archive}, which a killed run had left unnamed")
            if not done:
                done.append(f"removed the leftovers of a killed run beside {self.archive}")
        sync_folder(self.folder)
        return done


def _open_to_lock(path: str) -> int:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags)  # a lock over NFS needs a file open for writing
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


def belongs(manifest_path: str, archive: str) -> bool:
    """Is this manifest whole, and that of this very archive?"""
    try:
        closing = manifest.load(manifest_path).closing
        with open(archive, "rb") as stream:  # noqa: PTH123
            return closing["archive_sha256"] == hash_stream(stream)
    except (UpkeepError, OSError, KeyError):
        return False


def hash_stream(stream: BinaryIO) -> str:
    """SHA-256 of the rest of an open file."""
    return sha256_of(stream.fileno())


def still_named(fd: int, path: str) -> bool:
    """Does this path name the very file that is open?"""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
