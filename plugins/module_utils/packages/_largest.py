# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The largest part of what is wanted that a solver can do, with few questions: a simulation takes it a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .transaction import Wanted

# What is in nobody's way is found in two or three; a solver that says nothing of use must not keep a host for an hour.
_MOST = 40


@dataclass
class Attempt:
    """What came of asking for some of it: a `result`, or None and `why`.

    `blamed`: which of it the solver names as what stands in the way, each with a sentence.
    """

    result: Optional[Any] = None
    why: str = ""
    blamed: Dict[Wanted, str] = field(default_factory=dict)


Ask = Callable[[List[Wanted]], Attempt]


def largest(wanted: Sequence[Wanted], ask: Ask) -> Tuple[Any, List[Tuple[Wanted, str]]]:
    """The result for as much of `wanted` as can be had together, and the rest, each with why it cannot.

    Leaves out what is blamed and asks again; where nobody is blamed, it halves. `ask` of nothing has to succeed.
    """
    left, out = list(wanted), []
    asked = 0

    def tried(part: List[Wanted]) -> Attempt:
        nonlocal asked
        asked += 1
        return (
            ask(part)
            if asked <= _MOST
            else Attempt(why="The package manager says no, and not to what: patch it by hand.")
        )

    attempt = tried(left)
    while attempt.result is None and any(each in attempt.blamed for each in left):
        out += [(each, attempt.blamed[each]) for each in left if each in attempt.blamed]
        left = [each for each in left if each not in attempt.blamed]
        attempt = tried(left)
    if attempt.result is not None:
        return attempt.result, out

    def grow(base: List[Wanted], more: List[Wanted]) -> List[Wanted]:
        nonlocal attempt
        found = tried(base + more)
        if found.result is not None:
            attempt = found
            return base + more
        if len(more) < 2:
            out.extend((each, found.blamed.get(each) or found.why) for each in more)
            return base
        middle = len(more) // 2
        return grow(grow(base, more[:middle]), more[middle:])

    middle = len(left) // 2
    if len(left) > 1:
        grow(grow([], left[:middle]), left[middle:])
    else:
        out += [(each, attempt.why) for each in left]
    return attempt.result if attempt.result is not None else ask([]).result, out
