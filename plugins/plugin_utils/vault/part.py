# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file on its way into the vault: `<name>.part`, and beside it `<name>.part-of`, which says of what it is a part.

What a killed run left is taken up again only where it is a part of the very file that is wanted now.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic

PART, PART_OF = ".part", ".part-of"
DAMAGED = ".damaged"  # what the vault set aside, for a person to look at
_PIECE = 1 << 20
_STAMPED = re.compile(r"(\d{8}T\d{6}Z)\.tar")


@dataclass(frozen=True)
class Wanted:
    """A file that lies at `path` on the host, by its size in bytes and its sha256."""

    path: str
    bytes: int
    sha256: str


class Part:
    """`final` as far as it is there. Use as a context manager; `take` what follows, then ask whether it `is_whole`."""

    def __init__(self, final: Path, wanted: Wanted) -> None:
        self.final, self.wanted = final, wanted
        self.path = final.with_name(final.name + PART)
        self._of = final.with_name(final.name + PART_OF)
        self.resumed_from = 0
        self._hash = hashlib.sha256()
        self.done = 0
        self._fd = -1

    def __enter__(self) -> Part:
        """Take up what is there, hashed anew. Raises OSError."""
        if _read_of(self._of) != _of(self.wanted):
            self.discard()
            atomic.write_json(str(self._of), _of(self.wanted))
        elif self.final.is_file() and not self.path.exists():
            self.final.rename(self.path)  # a run was killed before it said that the file counts
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        while piece := os.pread(self._fd, _PIECE, self.done):
            self._hash.update(piece)
            self.done += len(piece)
        if self.done > self.wanted.bytes:
            self.begin_again()
        self.resumed_from = self.done
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return self.wanted.bytes - self.done

    @property
    def is_whole(self) -> bool:
        """All of it is there and has the hash that it should."""
        return self.missing == 0 and self._hash.hexdigest() == self.wanted.sha256

    def take(self, piece: bytes) -> None:
        """Append. Raises OSError."""
        os.lseek(self._fd, self.done, os.SEEK_SET)
        view = memoryview(piece)
        while view:
            written = os.write(self._fd, view)
            self._hash.update(view[:written])
            self.done += written
            view = view[written:]

    def begin_again(self) -> None:
        """As if nothing of it were there."""
        os.ftruncate(self._fd, 0)
        self._hash, self.done, self.resumed_from = hashlib.sha256(), 0, 0

    def publish(self) -> None:
        """Durable, and under its final name. It counts only with its document, and then `forget`. Raises OSError."""
        os.fsync(self._fd)
        self.path.rename(self.final)
        atomic.sync_folder(str(self.final.parent))

    def forget(self) -> None:
        """What it was a part of is of no interest any more."""
        self._of.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what is there of it."""
        self.path.unlink(missing_ok=True)
        self._of.unlink(missing_ok=True)


def hash_of(path: Path) -> str:
    """The sha256 of a file. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sweep(folder: Path, keep: Iterable[Path]) -> list[str]:
    """Remove what killed pulls left of other files than `keep`; returns the names.

    Parts, which newer archives have overtaken; and what has its final name, but no document that makes it count.
    """
    kept = {name for path in keep for name in (path.name, path.name + PART, path.name + PART_OF)}
    names = {path.name for path in folder.iterdir()}
    stamps = ((name, match) for name in names - kept if (match := _STAMPED.match(name)))
    left = sorted(
        name
        for name, match in stamps
        if name.endswith((PART, PART_OF)) or (f"{match[1]}.json" not in names and not name.endswith(DAMAGED))
    )
    for name in left:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    return left


def _of(wanted: Wanted) -> dict[str, Any]:
    return {key: value for key, value in asdict(wanted).items() if key != "path"}


def _read_of(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
