# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put an archive that a host offers into the vault: both files, proven, then the document that makes it count."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import index
from .part import Part, Wanted, sweep
from .pull import Pulled, Puller, Replaced, check_room, written

_SEALED = {"age": ".age", "gpg": ".gpg"}
_MANIFEST = ".manifest.jsonl.gz"


@dataclass(frozen=True)
class Offered:
    """What the host offers: both files as they go over the line, and what they are. `suffix` is `.tar.zst` or so.

    `archive_sha256` is of the archive as the host wrote it; `sealed` as in `index.Vaulted`.
    """

    host: str
    backup: str
    created: str
    archive: Wanted
    manifest: Wanted
    archive_sha256: str
    suffix: str
    files: int | None = None
    sealed: dict[str, Any] | None = None
    machine: dict[str, Any] | None = None

    @property
    def names(self) -> tuple[str, str]:
        """What archive and manifest are called in the vault."""
        sealed = _SEALED[str(self.sealed["program"])] if self.sealed else ""
        name = times.stamp(times.parse(self.created)) + self.suffix
        return name + sealed, name + _MANIFEST + sealed


def store(folder: Path, offered: Offered, puller: Puller) -> tuple[index.Vaulted, Pulled]:
    """The new entry, and how it came. Under the set's lock.

    Raises UpkeepError: what `Puller.pull` does, controller_full, vault_unwritable; Replaced where the host does not
    have (any more) what it offered: then nothing of it is kept.
    """
    archive_name, manifest_name = offered.names
    try:
        sweep(folder, (folder / archive_name, folder / manifest_name))
        with ExitStack() as stack:
            archive = stack.enter_context(Part(folder / archive_name, offered.archive))
            its_manifest = stack.enter_context(Part(folder / manifest_name, offered.manifest))
            try:
                check_room(folder, archive.missing + its_manifest.missing)
                went = puller.pull(its_manifest)
                went_archive = puller.pull(archive)
                entry = _entry(offered, archive_name, manifest_name)
                for old in index.entries_in(folder):
                    if old.entry == entry.entry:  # of the same second: sealed anew, or not sealed any more
                        index.remove(folder, old)
                its_manifest.publish()
                archive.publish()
            except (Replaced, OSError):  # a full disk, above all: who else writes there needs the room
                archive.discard()
                its_manifest.discard()
                raise
            index.add(folder, entry)
            archive.forget()
            its_manifest.forget()
    except OSError as error:
        raise written(error, folder)
    went_archive.bytes += went.bytes
    went_archive.seconds += went.seconds
    return entry, went_archive


def mismatch(path: str, sha256: str) -> UpkeepError:
    """Where the host still says that it has what did not come."""
    message = (
        f"the vault: what came of {path} is not what its manifest says (sha256 "
        f"{sha256}); nothing of it was kept. "
        "The archive on the host is damaged, or the line is: back up again with force."
    )
    return UpkeepError("vault_mismatch", message, archive=path)


def _entry(offered: Offered, archive: str, its_manifest: str) -> index.Vaulted:
    return index.Vaulted(
        host=offered.host,
        backup=offered.backup,
        created=offered.created,
        pulled_at=times.iso(times.now()),
        archive=archive,
        bytes=offered.archive.bytes,
        sha256=offered.archive.sha256,
        archive_sha256=offered.archive_sha256,
        manifest=its_manifest,
        manifest_sha256=offered.manifest.sha256,
        files=offered.files,
        sealed=offered.sealed,
        machine=offered.machine or {},
    )
