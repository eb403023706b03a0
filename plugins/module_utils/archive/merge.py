# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A walk and a manifest side by side, both in archive order: what is only here, only there, or in both."""

from __future__ import annotations

from typing import Iterable, Iterator, Optional, Tuple

from .model import Entry, order
from .walk import Node


def merge(nodes: Iterable[Node], entries: Iterable[Entry]) -> Iterator[Tuple[Optional[Node], Optional[Entry]]]:
    """Pairs (node, entry) of the same path, with None where one side lacks it. Holds one of each in memory."""
    left, right = iter(nodes), iter(entries)
    node, entry = next(left, None), next(right, None)
    while node is not None or entry is not None:
        if entry is None or (node is not None and order(node.path) < order(entry.path)):
            yield node, None
            node = next(left, None)
        elif node is None or node.path != entry.path:
            yield None, entry
            entry = next(right, None)
        else:
            yield node, entry
            node, entry = next(left, None), next(right, None)
