# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The vault looks at its own files again, a few each run, so that a disk that rots is known before a disaster."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import index, part
from .part import DAMAGED
from .pull import written

MOST_BYTES = 50 << 30
# {name of an entry's document: when its files were hashed last}
_SEEN = ".looked"


def again(folder: Path, current: str, is_new: bool, most_bytes: int = MOST_BYTES) -> dict[str, list[str]]:
    """{"archives", "too_large"}, each a list of `created`: what was hashed, and what has more than `most_bytes`.

    That is what was not hashed for the longest time, and what the host has now (`current`) unless it has just come
    (`is_new`). Under the set's lock. Raises UpkeepError vault_unwritable, and vault_damaged: then what is damaged is
    called `.damaged` and counts no more, so that it is pulled again if the host still has it.
    """
    there, seen = index.entries_in(folder), _read(folder / _SEEN)
    chosen = choose([one for one in there if one.bytes <= most_bytes], current, is_new, seen)
    try:
        harmed = [one for one in index.cut_in(folder) if one.created != current or not is_new]
        for one in chosen:
            if _is_harmed(folder, one):
                harmed.append(one)
            else:
                seen[one.entry] = times.iso(times.now())
        for one in harmed:
            _set_aside(folder, one)
        left = {one.entry for one in there} - {one.entry for one in harmed}
        if chosen:
            atomic.write_json(str(folder / _SEEN), {name: when for name, when in seen.items() if name in left})
    except OSError as error:
        raise written(error, folder)
    if harmed:
        raise _damaged(folder, harmed)
    return {
        "archives": [one.created for one in chosen],
        "too_large": [one.created for one in there if one.bytes > most_bytes],
    }


def choose(there: Sequence[index.Vaulted], current: str, is_new: bool, seen: Mapping[str, str]) -> list[index.Vaulted]:
    """What to hash now. Pure; when an archive came, it was hashed."""
    newest = [one for one in there if one.created == current and not is_new]
    older = [one for one in there if one.created != current]
    return newest + sorted(older, key=lambda one: (seen.get(one.entry, one.pulled_at), one.created))[:1]


def _is_harmed(folder: Path, one: index.Vaulted) -> bool:
    files = [(one.archive, one.sha256), (one.manifest, one.manifest_sha256)]
    try:
        return any(part.hash_of(folder / name) != sha256 for name, sha256 in files if name and sha256)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return True  # the disk cannot read it any more


def _set_aside(folder: Path, one: index.Vaulted) -> None:
    for name in reversed(one.names):  # the document first: from now on it does not count
        with contextlib.suppress(FileNotFoundError):
            (folder / name).rename(folder / (name + DAMAGED))
    atomic.sync_folder(str(folder))


def _damaged(folder: Path, harmed: Sequence[index.Vaulted]) -> UpkeepError:
    named = ", ".join(one.archive for one in harmed)
    message = (
        f"the vault: {folder}: damaged since it came: {named}; it is called {DAMAGED} now and does not count. What "
        "the host still has comes again with the next run; a copy may have the rest. Look at that disk."
    )
    return UpkeepError("vault_damaged", message, archives=[one.archive for one in harmed])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: when for name, when in found.items() if isinstance(when, str)} if isinstance(found, dict) else {}
