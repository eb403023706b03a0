# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of an archive drills have proven to restore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import proofs

WHOLE = 100.0
# Parts are of about the same size; only all of them are everything.
_NOT_WHOLE = 99.99


class Coverage:
    """Reads the proofs of earlier drills only where the last one was a sample."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def of(self, host: str, name: str, last: Mapping[str, Any]) -> float:
        """The percentage of the archive's entries that `last` has proven, together with the samples right before it.

        Drills of one archive that went well, one after the other, each of another part of as many, count together; a
        whole drill among them has proven it all.
        """
        of = _sample(last)[1]
        if of is None or _paths(last):
            return _pct(last)
        parts: set[int | None] = set()
        for proof in (last, *self._before(host, name, last)):
            if proof.get("status") != "ok" or proof.get("archive_sha256") != last.get("archive_sha256"):
                break
            part, its_of = _sample(proof)
            if part is None and _pct(proof) == WHOLE:
                return WHOLE
            if its_of != of or _paths(proof):
                break
            parts.add(part)
        if len(parts) == of:
            return WHOLE
        together = round(100.0 * len(parts) / of, 2) if len(parts) > 1 else _pct(last)
        return min(together, _NOT_WHOLE)

    def _before(self, host: str, name: str, last: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The proofs of the set before `last`, the newest first. Behind a lost one nothing is known to be in a row."""
        passed: set[str] = set()
        file = last.get("previous_proof")
        while isinstance(file, str) and file in self._proofs and file not in passed:
            passed.add(file)
            proof = self._proofs[file]
            if (proof.get("host"), proof.get("backup")) == (host, name):
                yield proof
            file = proof.get("previous_proof")

    @cached_property
    def _proofs(self) -> Mapping[str, Mapping[str, Any]]:
        return proofs.documents(self._home)


def _pct(proof: Mapping[str, Any]) -> float:
    covered = (proof.get("scope") or {}).get("coverage_pct")
    return float(covered) if isinstance(covered, (int, float)) and not isinstance(covered, bool) else 0.0


def _sample(proof: Mapping[str, Any]) -> tuple[int | None, int | None]:
    sample = (proof.get("scope") or {}).get("sample")
    part, of = (sample.get("part"), sample.get("of")) if isinstance(sample, Mapping) else (None, None)
    return (part, of) if isinstance(part, int) and isinstance(of, int) and 1 <= part <= of else (None, None)


def _paths(proof: Mapping[str, Any]) -> bool:
    """Whether it looked at some paths only: then it is no whole part."""
    return bool((proof.get("scope") or {}).get("paths"))
