# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One file on its way to a copy: resumed where it was cut, and under its name once it is verified over there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .files import numbered, part_of
from .store import PIECE, Reader, Store, hash_of

_NAMES = 100
WENT = "vault_went"


@dataclass(frozen=True)
class Sent:
    """The name that it has there, the bytes that went over, the offset they began at, and what its hash was told by."""

    name: str
    bytes: int
    resumed_from: int
    verified_by: str


def put(store: Store, source: Path, folder: str, name: str, sha256: str) -> Sent:
    """Bring `source`, whose hash is `sha256`, into `folder`; one that is there already is verified and taken.

    A name that something else has is numbered. Raises UpkeepError `WENT` where the vault has let go of `source`,
    copy_corrupt, vault_damaged and those of `Store`.
    """
    with _here(source):
        size = source.stat().st_size
    files = store.files(folder)
    for number in range(1, _NAMES):
        chosen = numbered(name, number)
        if chosen not in files:
            return (
                _append(store, source, folder, chosen, sha256)
                if store.append_only
                else _replace(store, source, folder, chosen, sha256, files.get(part_of(chosen), 0), size)
            )
        if files[chosen] == size:
            found, by = store.hashed(f"{folder}/{chosen}", sha256)
            if found == sha256:
                return Sent(chosen, 0, size, by)
    raise UpkeepError(
        "copy_failed", f"{store.place}: {folder}/{name} was begun {_NAMES} times; look at what is there, and clear it."
    )


def _append(store: Store, source: Path, folder: str, name: str, sha256: str) -> Sent:
    """Straight under its name, since nothing can be renamed there; the index entry is what makes it count."""
    path = f"{folder}/{name}"
    sent = _send(store, source, path, None)
    found, by = store.hashed(path, sha256)
    if found != sha256:
        raise _corrupt(store, source, path, sha256, found)
    return Sent(name, sent, 0, by)


def _replace(store: Store, source: Path, folder: str, name: str, sha256: str, begun: int, size: int) -> Sent:
    part = f"{folder}/{part_of(name)}"
    begun = begun if begun <= size else 0
    try:
        sent = _send(store, source, part, begun)
    except UpkeepError as error:
        if error.code == "copy_full":  # what was begun must not hold the last bytes
            with contextlib.suppress(UpkeepError):
                store.remove(part)
        raise
    found, by = store.hashed(part, sha256)
    if found != sha256 and begun:  # what an earlier run left there was not what it should be
        begun, sent = 0, sent + _send(store, source, part, 0)
        found, by = store.hashed(part, sha256)
    if found != sha256:
        store.remove(part)
        raise _corrupt(store, source, part, sha256, found)
    store.rename(part, name)
    return Sent(name, sent, begun, by)


def _send(store: Store, source: Path, path: str, at: int | None) -> int:
    sent = 0
    with contextlib.ExitStack() as held:
        with _here(source):
            stream = held.enter_context(source.open("rb", buffering=0))
            stream.seek(at or 0)
        there = held.enter_context(store.writing(path, at))
        while piece := _piece(stream, source):
            there.write(piece)
            sent += len(piece)
    return sent


def _piece(stream: Reader, source: Path) -> bytes:
    with _here(source):
        return stream.read(PIECE)


@contextlib.contextmanager
def _here(source: Path) -> Iterator[None]:
    """What cannot be read here is no fault of the other side."""
    try:
        yield
    except FileNotFoundError:
        raise UpkeepError(WENT, f"{source} went from the vault meanwhile, and is not copied.") from None
    except OSError as error:
        raise UpkeepError(
            "vault_damaged", f"{source} cannot be read ({error.strerror}): look at this disk, and pull it anew."
        ) from None


def _corrupt(store: Store, source: Path, path: str, sha256: str, found: str) -> UpkeepError:
    """Whose fault it is decides what to do: hash what is here."""
    with _here(source), source.open("rb") as stream:
        here = hash_of(stream)
    if here != sha256:
        return UpkeepError(
            "vault_damaged",
            f"{source} has the sha256 {here[:16]}…, its entry in the vault says {sha256[:16]}…: it is damaged here. "
            "Remove it and its entry, so that it is pulled anew, and look at this disk.",
        )
    return UpkeepError(
        "copy_corrupt",
        f"{store.place}: {path} reads back with the sha256 {found[:16]}…, not {sha256[:16]}…: do not trust that disk, "
        "or the way to it.",
    )
