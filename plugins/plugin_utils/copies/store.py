# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a place for copies can do, and how its refusals are told. A mounted folder is one, an SFTP server another."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

PIECE = 1 << 20
PART = ".part"
FAR_HASH, READ_BACK = "far_hash", "read_back"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Reader(Protocol):
    """Bytes in order; b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class Writer(Protocol):
    """Takes all that it is given, or raises."""

    def write(self, content: bytes, /) -> object: ...


class Store(Protocol):
    """A folder somewhere. Paths are relative to it, with `/`.

    Each method raises UpkeepError: copy_full, copy_unwritable, copy_failed, and over a network what `sftp` says.
    """

    place: str
    append_only: bool

    def files(self, folder: str) -> dict[str, int]:
        """The size of each file in `folder`, by name; nothing where there is no such folder."""

    def changed_since(self, folder: str, moment: float) -> set[str]:
        """The names of the files in `folder` that were written after `moment` (seconds since the epoch)."""

    def free(self, folder: str) -> int | None:
        """The bytes that there is room for in `folder`; None where the place does not say."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in it."""

    def make_folder(self, folder: str) -> None:
        """It and those above it, where they are missing."""

    def reading(self, path: str) -> AbstractContextManager[Reader]:
        """A file, from its beginning."""

    def writing(self, path: str, at: int | None) -> AbstractContextManager[Writer]:
        """A file, behind its first `at` bytes; None makes one that must not be there. On disk once this is left."""

    def rename(self, path: str, name: str) -> None:
        """In its folder, in the place of what has that name."""

    def remove(self, path: str) -> None:
        """A file; none there is as good."""

    def hashed(self, path: str, expected: str) -> tuple[str, str]:
        """(sha256 of the file as it lies there, far_hash or read_back). What is not `expected` was always read back."""

    def again(self) -> None:
        """Begin anew with whatever connection there is."""


def hash_of(stream: Reader) -> str:
    """The sha256 of what is left of it."""
    digest = hashlib.sha256()
    while piece := stream.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def told(place: str, path: str) -> Iterator[None]:
    """An OSError as the UpkeepError that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise refusal(place, path, error) from None


def refusal(place: str, path: str, error: OSError) -> UpkeepError:
    """`error`, met at `path` of `place`, as a sentence."""
    why = error.strerror or str(error) or type(error).__name__
    if error.errno in _FULL:
        return UpkeepError(
            "copy_full",
            f"{place} takes no more ({why}, at {path}): make room there. Of archives remove the oldest by hand, its "
            ".json first.",
        )
    if error.errno in _CLOSED:
        return UpkeepError(
            "copy_unwritable", f"{place}: {path} is refused ({why}); give this user the right to write there."
        )
    return UpkeepError("copy_failed", f"{place}: {path}: {why}; look at that disk or server.")
