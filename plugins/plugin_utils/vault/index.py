# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the vault holds: of each archive a small document beside it, written last, without which it does not count.

    backups/vault/<host>/<set>/<UTC stamp of created>.tar.zst[.age|.gpg]
                               <UTC stamp of created>.tar.zst.manifest.jsonl.gz[.age|.gpg]
                               <UTC stamp of created>.json     `upkeep.vaulted/1`

A copy of the vault has the same files in the same layout below its own folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive.moments import LATEST, moment
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import names

SCHEMA = "upkeep.vaulted/1"
VAULT = "backups/vault"
_SHOWN = 20


@dataclass(frozen=True)
class Vaulted:
    """One archive in the vault; `archive` and `manifest` are names of files in its folder.

    `sha256` and `manifest_sha256` are of the files as they lie there, `archive_sha256` is of the archive as its host
    wrote it: the same, unless it was `sealed` ({"program", "recipients", "at"}) before it left. Sizes are bytes.
    """

    host: str
    backup: str
    created: str
    pulled_at: str
    archive: str
    bytes: int
    sha256: str
    archive_sha256: str
    manifest: str | None = None
    manifest_sha256: str | None = None
    files: int | None = None
    sealed: dict[str, Any] | None = None
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def entry(self) -> str:
        """The name of its document: `20261123T083403Z.json`."""
        return times.stamp(times.parse(self.created)) + ".json"

    @property
    def names(self) -> list[str]:
        """Its files in the order in which they are written; the document, the commit mark, is the last."""
        return [self.archive, *([self.manifest] if self.manifest else []), self.entry]

    def document(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Vaulted:
        """Raises TypeError, KeyError or ValueError for a document that is none; fields added later are passed over."""
        if document["schema"] != SCHEMA:
            raise TypeError(f"not an {SCHEMA} document")
        one = cls(**{each.name: document[each.name] for each in fields(cls) if each.name in document})
        times.parse(one.created)
        times.parse(one.pulled_at)
        texts = (one.host, one.backup, one.archive, one.sha256, one.archive_sha256)
        if not all(isinstance(text, str) and text for text in texts) or not isinstance(one.bytes, int):
            raise TypeError("a field of it has a wrong type")
        for name in (one.archive, one.manifest):  # written by us, but read back from wherever a copy lies
            if name is not None and (not isinstance(name, str) or "/" in name or name in ("", ".", "..")):
                raise ValueError(f"{name!r} is no file name")
        return one


def relative(host: str, backup: str) -> PurePosixPath:
    """The folder of a set below a vault or a copy."""
    return PurePosixPath(names.encode(host), names.encode(backup))


def place(home: Path, host: str, backup: str) -> Path:
    """The folder of a set in the vault of `home`."""
    return home / VAULT / relative(host, backup)


def entries(home: Path, host: str, backup: str) -> list[Vaulted]:
    """What the vault holds of a set, newest first; only what is whole by its size. Raises OSError.

    The newest is what came last: `created` is by the clock of the host, which may have been ahead once.
    """
    return entries_in(place(home, host, backup))


def entries_in(folder: Path) -> list[Vaulted]:
    """`entries` of a set's folder."""
    if not folder.is_dir():
        return []
    found = [one for one in map(_load, folder.glob("*.json")) if one is not None and _is_there(folder, one)]
    return sorted(found, key=lambda one: (one.pulled_at, one.created), reverse=True)


def cut_in(folder: Path) -> list[Vaulted]:
    """What does not count any more, because its files are gone or have another size."""
    return [one for one in map(_load, folder.glob("*.json")) if one is not None and not _is_there(folder, one)]


def find(home: Path, host: str, backup: str, at: str | None = None) -> Vaulted:
    """The newest for None, empty or `latest`, else the newest that was created until `at` (a time or a day).

    Raises UpkeepError `bad_parameter`, `vault_missing` (which says what there is).
    """
    return chosen(entries(home, host, backup), at, f"the vault has no archive of {backup} of {host}")


def chosen(there: list[Vaulted], at: str | None, nothing: str) -> Vaulted:
    """`find` among entries, newest first; `nothing` begins the message where there is none."""
    if at in (None, "", LATEST):
        until, told = None, nothing
    else:
        until = moment(str(at))
        told = f"{nothing} that was made until {until}"
    for one in there:
        if until is None or one.created <= until:
            return one
    times_there = ", ".join(one.created for one in there[:_SHOWN]) or "none at all"
    raise UpkeepError("vault_missing", f"{told}; there are {times_there}.")


def add(folder: Path, one: Vaulted) -> Path:
    """Write the document of an archive whose files lie in `folder`: from now on it counts. Raises OSError."""
    path = folder / one.entry
    atomic.write_json(str(path), one.document())
    return path


def remove(folder: Path, one: Vaulted) -> None:
    """Take an archive out: the document first, so that there is never one without its files. Raises OSError."""
    for name in reversed(one.names):
        (folder / name).unlink(missing_ok=True)
    atomic.sync_folder(str(folder))


def _load(path: Path) -> Vaulted | None:
    try:
        one = Vaulted.from_document(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return one if one.entry == path.name else None


def _is_there(folder: Path, one: Vaulted) -> bool:
    try:
        return (folder / one.archive).stat().st_size == one.bytes and (
            one.manifest is None or (folder / one.manifest).is_file()
        )
    except OSError:
        return False
