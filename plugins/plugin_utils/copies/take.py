# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take an archive out of the vault or a copy, into a folder of the controller: verified, and opened if it is sealed."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import os
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import evidence, names, sealing
from ..vault import index
from ..vault.index import Vaulted, chosen
from . import files
from .mounted import Mounted
from .places import FROM_VAULT
from .store import PART, PIECE, Store, hash_of


@dataclass(frozen=True)
class Taken:
    """`archive` and `manifest` as the host wrote them; `opened_with` is the public key of what opened them, or None."""

    entry: Vaulted
    archive: Path
    manifest: Path | None
    opened_with: str | None


def find(store: Store, host: str, backup: str, at: str | None, name: str) -> Vaulted:
    """The newest of the set, or that of a time: an entry of exactly that host and set.

    Raises UpkeepError `vault_missing`, which says what there is, and what of it does not count.
    """
    found = files.there(store, host, backup)
    there = found.entries
    nothing = f"{_called(name)} ({store.place}) has no archive of {backup} of {host}"
    try:
        return chosen(there, at, nothing)
    except UpkeepError as error:
        others = _what_there_is(store, host) if not there and error.code == "vault_missing" else ""
        not_counted = "".join(f" {name} does not count: {why}." for name, why in found.unreadable.items())
        raise UpkeepError(error.code, error.message + others + not_counted) from None


def check_key(entry: Vaulted, identity: Path | None) -> None:
    """Whether there is a private key for what is encrypted. Raises UpkeepError identity_missing, identity_exposed."""
    if entry.sealed and identity is None:
        raise UpkeepError(
            "identity_missing",
            f"{entry.archive} is encrypted to {', '.join(entry.sealed.get('recipients') or []) or 'a key'}: set "
            "backup_identity to the file of the escrowed private key, on the controller, mode 0600.",
        )
    if entry.sealed and identity is not None:
        sealing.check_identity(identity)


def check_origin(home: Path, entry: Vaulted) -> str | None:
    """What here knows the archive of `entry` as its host wrote it: vault, evidence, or None where nothing does.

    A copy proves only that it is whole: whoever may write there may put another archive with an entry that fits. Raises
    UpkeepError `copy_foreign` where what is known is another one.
    """
    folder = evidence.place(home, entry.host, entry.backup)
    known = [(FROM_VAULT, one.document()) for one in index.entries(home, entry.host, entry.backup)]
    known += [("evidence", one) for one in (evidence.last_vaulted(folder), evidence.last_success(folder)) if one]
    for what, one in known:
        sha256 = one.get("archive_sha256") or one.get("sha256")
        if one.get("created") == entry.created and sha256 == entry.archive_sha256:
            return what
        if one.get("created") == entry.created and sha256:
            raise UpkeepError(
                "copy_foreign",
                f"{entry.archive}, of {entry.created}, is not the archive that {entry.backup} of {entry.host} had, "
                f"by the {what} here ({entry.archive_sha256[:16]}… instead of {str(sha256)[:16]}…): do not restore it; "
                "take another one (at, from), and find out who writes to that copy.",
            )
    return None


def path_of(entry: Vaulted) -> str:
    """Where the archive lies below its place."""
    return f"{files.folder_of(entry.host, entry.backup)}/{entry.archive}"


def take(store: Store, entry: Vaulted, dest: Path, identity: Path | None) -> Taken:
    """Bring `entry` into `dest`. What is sealed is opened there with the private key `identity`.

    Raises UpkeepError: identity_missing, identity_exposed, sealed_unopened, copy_damaged, controller_full, and those of
    `Store`.
    """
    check_key(entry, identity)  # before anything is brought
    folder = files.folder_of(entry.host, entry.backup)
    try:
        atomic.make_folder(str(dest))
        archive = _brought(store, f"{folder}/{entry.archive}", dest, entry.sha256)
        manifest = None
        if entry.manifest and entry.manifest_sha256:
            manifest = _brought(store, f"{folder}/{entry.manifest}", dest, entry.manifest_sha256)
        if not entry.sealed or identity is None:
            return Taken(entry, archive, manifest, None)
        program = str(entry.sealed.get("program"))
        return Taken(
            entry,
            _opened(archive, identity, program, entry.archive_sha256),
            _opened(manifest, identity, program, None) if manifest else None,
            sealing.identity_fingerprint(identity),
        )
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        code, advice = ("controller_full", "make room there") if full else ("take_failed", "look at that disk")
        raise UpkeepError(code, f"dest: {error.filename or dest}: {error.strerror}; {advice}.") from None


def restored_bytes(store: Store, entry: Vaulted, scratch: Path, identity: Path | None) -> int | None:
    """What the archive's files take once they are restored, by its manifest alone; None where that does not say.

    Raises UpkeepError as `take` does.
    """
    check_key(entry, identity)
    if not entry.manifest or not entry.manifest_sha256:
        return None
    path = f"{files.folder_of(entry.host, entry.backup)}/{entry.manifest}"
    manifest = _brought(store, path, scratch, entry.manifest_sha256)
    if entry.sealed and identity is not None:
        manifest = _opened(manifest, identity, str(entry.sealed.get("program")), None)
    try:
        with gzip.open(manifest) as lines:
            closing = deque(lines, 1)[0]
        return int(json.loads(closing)["input_bytes"])
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, zlib.error):
        return None


def _brought(store: Store, path: str, dest: Path, sha256: str) -> Path:
    there = dest / path.rpartition("/")[2]
    if isinstance(store, Mounted) and _linked(store.path / path, there):
        with there.open("rb") as stream:
            found = hash_of(stream)
    else:
        part = there.with_name(there.name + PART)
        digest = hashlib.sha256()
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as sink, store.reading(path) as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
                sink.write(piece)
        part.rename(there)
        found = digest.hexdigest()
    if found != sha256:
        there.unlink()
        raise UpkeepError(
            "copy_damaged",
            f"{store.place}: {path} no longer has the hash that it was written with ({found[:16]}… instead of "
            f"{sha256[:16]}…): take an older one (at), or another place (from), and look at that disk.",
        )
    return there


def _linked(source: Path, there: Path) -> bool:
    """A second name for the same bytes, where both are on one file system."""
    with contextlib.suppress(OSError):
        there.unlink(missing_ok=True)
        os.link(source, there)
        return True
    return False


def _opened(sealed: Path, identity: Path, program: str, sha256: str | None) -> Path:
    plain = sealed.with_suffix("")
    sealing.open_sealed(sealed, plain, identity, program)
    sealed.unlink()
    if sha256:
        with plain.open("rb") as stream:
            found = hash_of(stream)
        if found != sha256:
            plain.unlink()
            message = (
                f"{sealed.name}, opened, is not the archive that its host wrote ({found[:16]}…): take another one."
            )
            raise UpkeepError("copy_damaged", message)
    return plain


def _called(name: str) -> str:
    return "the vault" if name == "vault" else f"the copy {name}"


def sets_of(store: Store, host: str) -> list[str]:
    """The sets of a host of which there is something."""
    return [names.decode(each) or each for each in store.folders(names.encode(host))]


def _what_there_is(store: Store, host: str) -> str:
    sets = sets_of(store, host)
    if sets:
        return f" It has of that host: {', '.join(sets)}."
    hosts = [names.decode(each) or each for each in store.folders("")]
    return f" It has archives of {', '.join(hosts[:50])}." if hosts else " It has no archive of any host."
