# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A line now and then while a long pull goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..documents.text import size

EVERY_S = 10.0


@dataclass
class Progress:
    """Call it with (bytes done, bytes wanted); it says so every ten seconds."""

    what: str
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    every_s: float = EVERY_S
    _last: tuple[float, int] = field(init=False)

    def __post_init__(self) -> None:
        self._last = (self.clock(), -1)

    def __call__(self, done: int, wanted: int) -> None:
        now, (then, before) = self.clock(), self._last
        if before < 0 or done < before:
            self._last = (then, done)
        elif now - then >= self.every_s:
            self._last = (now, done)
            self.say(self._line(done, wanted, (done - before) / (now - then)))

    def _line(self, done: int, wanted: int, per_s: float) -> str:
        """`  web1 etc  42 % of 1.2 GB, 98.0 MB/s, 7 s left`"""
        left = f"{(wanted - done) / per_s:,.0f} s left" if per_s else "nothing comes"
        return f"  {self.what}  {100 * done // max(wanted, 1)} % of {size(wanted)}, {size(int(per_s))}/s, {left}"
