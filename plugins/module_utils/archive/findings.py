# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a verification sees: counts, damage, what was left out, and why it failed."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Set, Tuple

from .model import FILE, HARDLINK, SOCKET, STABLE, Entry, shown

_NUMBERS = ("total", "expected", "verified", "files_expected", "files_verified", "bytes_verified", "not_stable")
CANNOT_TELL = "this archive takes a closer look"  # a doubt without damage
LIMIT = 1000  # names kept in a list; `counts` has the true numbers


class Damage(NamedTuple):
    """An entry that is not what was archived. `block` is None where no single block is to blame."""

    path: bytes
    block: Optional[int]
    why: str


class Findings:
    """What a verification saw. `failures` are (error code, sentence), the first one first."""

    def __init__(self) -> None:
        self.archive_sha256: Optional[str] = None
        self.total = self.expected = self.verified = 0
        self.files_expected = self.files_verified = self.bytes_verified = 0
        self.damaged = 0
        self.damage: List[Damage] = []
        self.damaged_paths: Set[bytes] = set()
        self.damaged_blocks: List[int] = []
        self.not_stable = 0
        self.not_checked: List[dict] = []
        self.failures: List[tuple] = []

    def damaged_entry(self, path: bytes, block: Optional[int], why: str) -> None:
        self.damaged += 1
        self.damaged_paths.add(path)
        if len(self.damage) < LIMIT:
            self.damage.append(Damage(path, block, why))

    def left_out(self, what: str, why: str) -> None:
        if len(self.not_checked) < LIMIT:
            self.not_checked.append({"what": what, "why": why})

    def met(self, entry: Entry, wanted: bool) -> None:
        """Count a stored entry, before it is looked at."""
        self.total += 1
        if wanted:
            self.expected += 1
            self.files_expected += entry.type in (FILE, HARDLINK)
        if entry.state != STABLE:
            self.not_stable += 1
            self.left_out(f"{shown(entry.path)}: what it should be", f"it was {entry.state} during the backup")

    def not_stored(self, entry: Entry) -> None:
        if entry.type != SOCKET:
            self.not_stable += 1
            self.left_out(shown(entry.path), f"it was {entry.state} during the backup: it is not in the archive")

    def intact(self, entry: Entry, wanted: bool) -> None:
        """Count an entry that is what was archived."""
        self.bytes_verified += entry.size
        if wanted:
            self.verified += 1
            self.files_verified += entry.type in (FILE, HARDLINK)

    def numbers(self) -> Tuple[int, ...]:
        return tuple(getattr(self, name) for name in _NUMBERS)

    def add(self, numbers: Iterable[int], not_checked: List[dict]) -> None:
        """What another looked at, of which nothing is damaged."""
        for name, number in zip(_NUMBERS, numbers):
            setattr(self, name, getattr(self, name) + number)
        for item in not_checked:
            self.left_out(item["what"], item["why"])

    def fail(self, code: str, message: str) -> None:
        self.failures.append((code, message))
