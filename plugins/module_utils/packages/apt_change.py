# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with apt."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from .transaction import Action, Kept, Simulation, Step, Wanted


class Apt:
    """`transaction.Transactions` on apt-get, dpkg and apt-mark."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        raise NotImplementedError

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        raise NotImplementedError

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        raise NotImplementedError

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        raise NotImplementedError

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        raise NotImplementedError

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        raise NotImplementedError

    def repair(self) -> List[Step]:
        raise NotImplementedError

    def installed(self) -> Dict[Tuple[str, str], str]:
        raise NotImplementedError

    def unfinished(self) -> List[str]:
        raise NotImplementedError

    def leftovers(self) -> List[str]:
        raise NotImplementedError

    def locked_by(self) -> Optional[str]:
        raise NotImplementedError
