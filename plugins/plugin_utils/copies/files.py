# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a copy: the vault's layout below its folder. An archive is there once its index entry is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..vault.index import Vaulted, relative
from .store import PART, Store

_LONGEST_INDEX = 1 << 20
_STAMP = r"(?P<stamp>[0-9]{8}T[0-9]{6}Z)(?:\.(?P<number>[0-9]+))?"
_INDEX = re.compile(_STAMP + r"\.json")
# What a copy run writes, and nothing that anybody else put there.
_OURS = re.compile(_STAMP + r"\.(json|tar(\.zst|\.gz)?(\.manifest\.jsonl\.gz)?(\.age|\.gpg)?)(\.part)?")


@dataclass(frozen=True)
class There:
    """What lies in the folder of one set: `entries`, what was pulled last first, `index` the file of each by `created`.

    `unreadable` says of index entries that do not count why: cut while written, damaged since, without their archive.
    """

    entries: list[Vaulted]
    index: dict[str, str]
    files: dict[str, int]
    unreadable: dict[str, str]

    def leftovers(self, vaults: Collection[str], young: Collection[str]) -> tuple[list[str], list[str]]:
        """(what a run may sweep, what it may only name): files that no index entry names.

        Swept are begun files, and what the vault, which has archives of `vaults` (`created`), could bring again; never
        what is `young`, since another controller may be about to bring it. The others may be all that there is.
        """
        named = {name for one in self.entries for name in (one.archive, one.manifest) if name}
        named |= {*self.index.values(), *self.unreadable}
        doubtful = {_stamp(name) for name in self.unreadable}
        stamps = {times.stamp(times.parse(created)) for created in vaults}
        loose = [name for name in sorted(self.files) if _OURS.fullmatch(name) and name not in named]
        loose = [name for name in loose if _stamp(name) not in doubtful]
        ours = [name for name in loose if name.endswith(PART) or _stamp(name) in stamps]
        return [name for name in ours if name not in young], [name for name in loose if name not in ours]


def folder_of(host: str, backup: str) -> str:
    """The folder of a set, in the vault and in each copy."""
    return str(relative(host, backup))


def there(store: Store, host: str, backup: str) -> There:
    """Look. Of several index entries of one time the last one counts; one that is none, only where it stands alone."""
    folder = folder_of(host, backup)
    files = store.files(folder)
    found: dict[str, tuple[int, str, Vaulted]] = {}
    unreadable = {}
    for name in files:
        match = _INDEX.fullmatch(name)
        if not match:
            continue
        try:
            entry = _entry(store, f"{folder}/{name}")
        except UpkeepError:
            if name in store.files(folder):
                raise
            continue  # taken away since the folder was listed
        if why := _wrong(entry, files, host, backup, match["stamp"]):
            unreadable[name] = why
        if entry is None or why:
            continue
        number = int(match["number"] or 1)
        if number >= found.get(entry.created, (0,))[0]:
            found[entry.created] = (number, name, entry)
    whole = {_stamp(name) for _number, name, _entry in found.values()}
    return There(
        entries=sorted((entry for _number, _name, entry in found.values()), key=pulled, reverse=True),
        index={created: name for created, (_number, name, _entry) in found.items()},
        files=files,
        unreadable={name: unreadable[name] for name in sorted(unreadable) if _stamp(name) not in whole},
    )


def _wrong(entry: Vaulted | None, files: Mapping[str, int], host: str, backup: str, stamp: str) -> str | None:
    """Why an index entry does not count; what it says of itself is only believed where it lies where it should."""
    if entry is None:
        return "its index entry cannot be read"
    if (entry.host, entry.backup) != (host, backup):
        return f"its index entry is of the set {entry.backup} of {entry.host}, and does not belong there"
    if _stamp(entry.entry) != stamp:
        return f"its index entry is of {entry.created}, and does not belong there"
    if entry.archive not in files or (entry.manifest and entry.manifest not in files):
        return "its archive or its manifest is gone"
    if files[entry.archive] != entry.bytes or (entry.manifest and not files[entry.manifest]):
        return f"{entry.archive} was cut: it has {files[entry.archive]} bytes of {entry.bytes}, or its manifest none"
    return None


def pulled(entry: Vaulted) -> tuple[str, str]:
    """Orders entries by the controller's clock, since `created` is what each host's own said."""
    return entry.pulled_at, entry.created


def numbered(name: str, number: int) -> str:
    """`20261123T083403Z.2.tar.gz` for a name that is taken."""
    stamp, dot, rest = name.partition(".")
    return name if number == 1 else f"{stamp}.{number}{dot}{rest}"


def renamed(entry: Vaulted, archive: str, manifest: str | None) -> Vaulted:
    """`entry` with the names that its files have in the copy."""
    return replace(entry, archive=archive, manifest=manifest)


def as_bytes(document: Mapping[str, Any]) -> bytes:
    """An index entry as a file."""
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _entry(store: Store, path: str) -> Vaulted | None:
    content = b""
    with store.reading(path) as stream:
        while len(content) < _LONGEST_INDEX and (piece := stream.read(_LONGEST_INDEX)):
            content += piece
    try:
        entry = Vaulted.from_document(json.loads(content))
        times.parse(entry.pulled_at)
        return entry
    except (ValueError, TypeError, KeyError):
        return None


def _stamp(name: str) -> str:
    return name.partition(".")[0]


def part_of(name: str) -> str:
    """Under which name a file lies while it is written."""
    return name + PART
