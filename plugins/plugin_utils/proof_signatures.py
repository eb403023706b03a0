# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The signatures of the proofs in a chain: which are good, and by whom."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import proofs, signing


@dataclass
class Signatures:
    """`signers` maps who (or, without allowed signers, which key) to how many proofs are signed so."""

    signers: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def verify(home: Path, names: Sequence[str], allowed_signers: Path | None) -> Signatures:
    """Check both signatures of each of the proofs `names`, several at a time. Raises UpkeepError `signing_failed`."""
    found = Signatures()
    folder = home / "backups" / "proofs"
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for name, who, problems in pool.map(lambda each: _one(folder / each, allowed_signers), names):
            found.problems += [f"{name}: {problem}" for problem in problems]
            if who:
                found.signers[who] = found.signers.get(who, 0) + 1
    return found


def _one(path: Path, allowed_signers: Path | None) -> tuple[str, str | None, list[str]]:
    who, problems = None, []
    for file in (path, path.with_suffix(".txt")):
        signature = proofs.signature_of(file)
        if not signature.exists() or not file.exists():  # the chain says so
            continue
        try:
            person, key = signing.verify(file.read_bytes(), signature, allowed_signers, who)
            who = person or key
        except UpkeepError as error:
            if error.code != "signature_bad":
                raise
            problems.append(f"the signature of {file.name} is not good: {error.message}")
        except OSError as error:
            problems.append(f"{file.name} cannot be read ({error.strerror})")
    return path.name, None if problems else who, problems
