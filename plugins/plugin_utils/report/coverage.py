# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of an archive drills have proven to restore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from .. import parts, proofs
from ..outcome import is_of_hash

WHOLE = 100.0
# Parts are of about the same size; only all of them are everything.
_NOT_WHOLE = 99.99


class Proven(NamedTuple):
    """How much of an archive is proven, in percent of its entries, and when the oldest drill ended that counts.

    `failed` is when a drill of it went wrong, where all that followed compared its hash alone.
    """

    pct: float
    since: str | None
    failed: str | None = None


class Coverage:
    """Reads the proofs of earlier drills only where the last one was a sample."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def of(self, host: str, name: str, last: Mapping[str, Any]) -> float:
        """The percentage of the archive's entries that `last` has proven, together with the samples right before it.

        Drills of one archive that went well, one after the other, each of another part of as many, count together; a
        whole drill among them has proven it all.
        """
        return self.proven(host, name, last).pct

    def proven(self, host: str, name: str, last: Mapping[str, Any]) -> Proven:
        """As `of`, and since when. A drill of the hash alone proves nothing and takes nothing away."""
        counted: list[Mapping[str, Any]] = []
        seen: set[int | None] = set()
        failed = None
        for proof in chain((last,), self._before(host, name, last)):
            if proof.get("archive_sha256") != last.get("archive_sha256"):
                break
            if proof.get("status") != "ok":
                failed = _when(proof)
                break
            if is_of_hash(proof):
                continue
            part, of = parts.sample(proof)
            if part is None and _pct(proof) == WHOLE:
                return Proven(WHOLE, _when(proof))
            if counted and (
                of is None or of != parts.sample(counted[0])[1] or parts.is_scoped(proof) or parts.is_scoped(counted[0])
            ):
                break
            counted.append(proof)
            seen.add(part)
            if of is None or parts.is_scoped(proof) or len(seen) == of:
                break
        if not counted:
            return Proven(0.0, None, failed)
        of = parts.sample(counted[0])[1]
        if of is None or parts.is_scoped(counted[0]):
            return Proven(_pct(counted[0]), _when(counted[0]))
        if len(seen) == of:
            return Proven(WHOLE, _when(counted[-1]))
        together = round(100.0 * len(seen) / of, 2) if len(seen) > 1 else _pct(counted[0])
        return Proven(min(together, _NOT_WHOLE), _when(counted[-1]))

    def of_the_set(self, host: str, name: str, last: Mapping[str, Any]) -> dict[str, Any] | None:
        """`{"of", "parts", "pct", "since"}` over the archives that a set had while it was drilled in parts; else None.

        An archive that changes each day is never proven whole in parts; its set, part by part, is.
        """
        of = parts.sample(last)[1]
        if of is None:
            return None
        when = parts.proven_at(chain((last,), self._before(host, name, last)), of)
        since = min((moment for moment in when.values() if moment), default=None)
        return {"of": of, "parts": len(when), "pct": round(100.0 * len(when) / of, 2), "since": since}

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


def _when(proof: Mapping[str, Any]) -> str | None:
    finished = proof.get("finished")
    return finished if isinstance(finished, str) else None


def _pct(proof: Mapping[str, Any]) -> float:
    covered = (proof.get("scope") or {}).get("coverage_pct")
    return float(covered) if isinstance(covered, (int, float)) and not isinstance(covered, bool) else 0.0
