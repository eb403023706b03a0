# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills by parts: which part of how many a drill looked at, and which one is next.

A path goes to the same part in every archive of a set, so drills of an archive that changes each day cover its set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from . import names, proofs
from .outcome import is_of_hash

# No set is drilled in more parts than this for the choice of the next one to matter.
_LOOKED_AT = 1000


def sample(proof: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """(part, of) of a drill, or (None, None) where it was no sample."""
    found = (proof.get("scope") or {}).get("sample")
    part, of = (found.get("part"), found.get("of")) if isinstance(found, Mapping) else (None, None)
    return (part, of) if isinstance(part, int) and isinstance(of, int) and 1 <= part <= of else (None, None)


def is_scoped(proof: Mapping[str, Any]) -> bool:
    """Whether it looked at some paths only: then it is no whole part."""
    return bool((proof.get("scope") or {}).get("paths"))


def proven_at(newest_first: Iterable[Mapping[str, Any]], of: int) -> dict[int, str | None]:
    """part -> when it was last proven, the parts proven last first; a drill of everything proves them all."""
    when: dict[int, str | None] = {}
    for proof in newest_first:
        if proof.get("status") != "ok" or is_scoped(proof) or is_of_hash(proof):
            continue
        part, its_of = sample(proof)
        # All at once: the first counts as the oldest, so that the parts follow in their order.
        for each in range(of, 0, -1) if its_of is None else [part] if its_of == of and part else []:
            when.setdefault(each, proof.get("finished"))
        if len(when) == of:
            break
    return when


def next_part(newest_first: Iterable[Mapping[str, Any]], of: int, archive_sha256: str | None) -> int:
    """The part that was proven least recently: of this archive, and among those alike, of the set."""
    proofs_of_set = list(newest_first)
    in_archive = list(proven_at((p for p in proofs_of_set if p.get("archive_sha256") == archive_sha256), of))
    in_set = list(proven_at(proofs_of_set, of))

    def age(part: int) -> tuple[int, int]:
        return _place(in_archive, part, of), _place(in_set, part, of)

    return max(range(1, of + 1), key=lambda part: (*age(part), -part))


def _place(newest_first: list[int], part: int, never: int) -> int:
    return newest_first.index(part) if part in newest_first else never


def of_set(home: Path, host: str, name: str) -> Iterator[dict[str, Any]]:
    """The readable proofs of one set, the newest first, at most 1000. Raises OSError."""
    pattern = re.compile(
        rf"(\d{{8}}T\d{{6}}Z)-{re.escape(names.encode(host))}-{re.escape(names.encode(name))}(?:\.(\d+))?\.json"
    )
    matches = filter(None, map(pattern.fullmatch, proofs.file_names(home)))
    newest = sorted(matches, key=lambda match: (match[1], int(match[2] or 1)), reverse=True)
    for match in islice(newest, _LOOKED_AT):
        document = proofs.document(home, match[0])
        if document and (document.get("host"), document.get("backup")) == (host, name):
            yield document
