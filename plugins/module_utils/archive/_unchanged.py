# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does a walk meet exactly what the cache has recorded? Several processes ask, each over a span of the walk.

Python makes one system call a name and little else here, so a second process nearly halves the time. The cache's file
is cut where the record of a folder begins: a span is walked from that folder up to the next cut's.
"""

from __future__ import annotations

import os
from typing import List, NamedTuple

from . import cache
from ._pool import usable_cpus
from ._processes import Died, in_processes
from .walk import Walker

_WORTH_IT = 256 << 10  # bytes of records, of some 5,000 names: below that a process costs more than it saves
_MOST = 4


class Span(NamedTuple):
    """Records from `start` up to `end` in the cache's file; the walk from the folder `since` up to the folder `until`
    (empty: from its beginning, to its end)."""

    start: int
    end: int
    since: bytes
    until: bytes


def same(path: str, token: bytes, walker: Walker) -> bool:
    """True is certain; False means that it takes a closer look. `walker` then knows what was left out on the way."""
    alone = b"." in {root.path for root in walker.roots}  # such a root has no name to tell its folders by
    try:
        spans = _spans(path, token, 1 if alone else min(usable_cpus(), _MOST))
        if len(spans) == 1:
            return _same(path, token, walker, spans[0])
        with in_processes(lambda span: (_same(path, token, walker, span), walker.counters()), spans) as answers:
            found = answers()
    except (Died, OSError, ValueError):
        return False
    walker.take([counters for _same_there, counters in found])
    return all(same_there for same_there, _counters in found)


def _same(path: str, token: bytes, walker: Walker, span: Span) -> bool:
    differs: List[bytes] = []
    with open(path, "rb") as stream:  # noqa: PTH123
        records = cache.Records(stream, token, span.start, span.end)

        def compare(key, names, stats, own) -> None:
            if not records.next_is(key, names, stats, own):
                differs.append(key)

        for node in walker.nodes(compare, True, span.since, span.until):
            if differs or node.error is not None:
                return False
        return not differs and records.ended and not walker.vanished and not walker.unreadable


def _spans(path: str, token: bytes, most: int) -> List[Span]:
    size = os.stat(path).st_size
    parts = min(most, size // _WORTH_IT + 1)
    cuts = []
    if parts > 1:
        with open(path, "rb") as stream:  # noqa: PTH123
            records = cache.Records(stream, token)
            cuts = [records.folder_at(size * part // parts) for part in range(1, parts)]
    found = sorted({cut for cut in cuts if cut is not None})
    starts, ends = [(0, b""), *found], [*found, (size, b"")]
    return [Span(start, end, since, until) for (start, since), (end, until) in zip(starts, ends)]
