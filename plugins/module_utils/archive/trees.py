# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restored or a live tree against the manifest: what is missing, extra, or different."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence, Set, Union

from . import compare
from ._processes import Died, in_processes
from .findings import LIMIT
from .manifest import Manifest
from .merge import merge
from .metadata import Links
from .model import SOCKET, Entry, order, raw, shown
from .scope import Scope, Selection
from .walk import Node, Walker


class Differences:
    """Names as documents write them, at most LIMIT of each; `count` is the true number of differing entries."""

    def __init__(self) -> None:
        self.missing: List[str] = []
        self.corrupt: List[str] = []
        self.metadata: List[Dict[str, Any]] = []
        self.extra: List[str] = []
        self.count = self.compared = 0
        self.first = ""

    def add(self, kind: str, item: Any, what: str) -> None:
        self.count += 1
        self.first = self.first or what
        found = getattr(self, kind)
        if len(found) < LIMIT:
            found.append(item)


def against_manifest(
    walker: Walker,
    known: Manifest,
    scope: Union[Scope, Selection],
    without: Callable[[Entry], bool] = lambda _entry: False,
    skip: FrozenSet[str] = frozenset(),
    skip_xattrs: FrozenSet[str] = frozenset(),
    expected: Callable[[Iterator[Entry]], Iterator[Entry]] = iter,
    chunks: Optional[range] = None,
    stretch: Optional[Stretch] = None,
) -> Differences:
    """Compare each stored entry in `scope` with what `walker` finds, contents read again from disk.

    `without` picks entries that are known not to be there; `skip` are entry fields, `skip_xattrs` attribute names that
    cannot be compared; `expected` may turn the manifest's entries into what should be there. What the walk finds beyond
    the whole manifest is extra, but for the folders above its roots. `chunks` of the manifest and a `stretch` of the
    paths, which must be the same, are all that is looked at where they are given.
    """
    found, links = Differences(), Links()
    above = _above([raw(root) for root in known.header["roots"]])
    with_xattrs = bool(known.header["xattrs"])
    entries = known.entries() if chunks is None else known.entries(chunks=chunks)
    nodes = walker.nodes() if stretch is None else (node for node in walker.nodes() if node.path in stretch)
    for node, entry in merge(nodes, expected(entries)):
        leader = links.meet(node) if node is not None and node.error is None else None
        if entry is None:
            if node is not None and not (node.fd >= 0 and node.path in above) and scope.everything:
                found.add("extra", shown(node.path), f"{shown(node.path)} is extra")
            continue
        if (entry.offset is None and entry.type != SOCKET) or entry not in scope or without(entry):
            continue
        if node is None:
            if entry.type != SOCKET:
                found.add("missing", shown(entry.path), f"{shown(entry.path)} is missing")
            continue
        found.compared += 1
        _one(node, entry, leader, with_xattrs, skip, skip_xattrs, found)
    return found


class Stretch:
    """The paths from `first` up to `end` (None: to the last), in archive order."""

    def __init__(self, first: Optional[bytes], end: Optional[bytes]) -> None:
        self._first = () if first is None else order(first)
        self._end = None if end is None else order(end)

    def __contains__(self, path: bytes) -> bool:
        key = order(path)
        return key >= self._first and (self._end is None or key < self._end)

    def leaves_out(self, path: bytes, _name: bytes) -> bool:
        """Is neither this path nor anything below it in here? To exclude it from a walk."""
        key = order(path)
        return (key < self._first and key != self._first[: len(key)]) or (self._end is not None and key >= self._end)


def in_stretches(compare: Callable[[range, Stretch], Differences], starts: Sequence[bytes], count: int) -> Differences:
    """`compare(chunks, stretch)` in `count` processes, each for a row of the manifest's chunks, whose first paths are
    `starts`.

    Where anything differs, or a process dies, once more by this one alone: then it is named, in order.
    """
    everything = range(len(starts))
    if count > 1:
        cuts = [len(starts) * number // count for number in range(count + 1)]
        bounds: List[Optional[bytes]] = [None, *(starts[cut] for cut in cuts[1:-1]), None]

        def share(number: int) -> tuple:
            stretch = Stretch(bounds[number], bounds[number + 1])
            found = compare(range(cuts[number], cuts[number + 1]), stretch)
            return found.count, found.compared

        try:
            with in_processes(share, range(count)) as answers:
                seen = answers()
        except (Died, OSError):
            seen = [(1, 0)]
        if not any(differing for differing, _compared in seen):
            whole = Differences()
            whole.compared = sum(compared for _differing, compared in seen)
            return whole
    return compare(everything, Stretch(None, None))


def _one(node: Node, entry: Entry, leader, with_xattrs: bool, skip, skip_xattrs, found: Differences) -> None:
    name = shown(entry.path)
    if node.error is not None:
        found.add("corrupt", name, f"{name} cannot be opened ({node.error.strerror})")
        return
    try:
        live, same = compare.look_inside(node, entry, with_xattrs, leader)
        if skip_xattrs:
            entry.xattrs = {key: value for key, value in entry.xattrs.items() if key not in skip_xattrs}
            live.xattrs = {key: value for key, value in live.xattrs.items() if key not in skip_xattrs}
        differences = compare.metadata(node, entry, live, skip)
        for difference in differences:
            item = {"path": name, **difference._asdict()}
            found.add("metadata", item, f"{name}: {difference.field} is {difference.found}, not {difference.expected}")
        if not same:
            found.add("corrupt", name, f"{name}: its content differs")
    except OSError as error:
        found.add("corrupt", name, f"{name} cannot be read ({error.strerror})")


def _above(roots: List[bytes]) -> Set[bytes]:
    """All folders that stand above one of the roots."""
    found = {b"."}
    for root in roots:
        parts = root.split(b"/")
        found.update(b"/".join(parts[:count]) for count in range(1, len(parts)))
    return found
