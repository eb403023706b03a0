# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which part of an archive a verification looks at."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import Entry, raw, shown, whole


class Scope:
    """`paths` (archive names; each with all below it) and `sample` (part, of): both must hold. Empty means all.

    What lies in the folder `without` is never taken in.
    """

    def __init__(
        self, paths: List[bytes], sample: Optional[Tuple[int, int]] = None, without: Optional[bytes] = None
    ) -> None:
        self.paths, self.sample, self.without = paths, sample, without

    @property
    def everything(self) -> bool:
        return not self.paths and self.sample is None and self.without is None

    def reaches(self, path: bytes) -> bool:
        """Does `paths` alone take this archive name in?"""
        if self.without is not None and under(path, self.without):
            return False
        return not self.paths or any(under(path, folder) for folder in self.paths)

    def __contains__(self, entry: Entry) -> bool:
        if not self.reaches(entry.path):
            return False
        if self.sample is None:
            return True
        # a hard link goes with its leader, or it could never be restored
        part, of = self.sample
        digest = hashlib.sha256(entry.leader or entry.path).digest()
        return int.from_bytes(digest[:8], "big") % of == part - 1


class Selection:
    """A scope held against one manifest.

    A hard link has no content of its own. Where its leader is out of scope, the leader is read all the same, and
    restored under the first of its names in scope: `stand_ins` maps such a leader to that name, `names` are all its
    names in scope. `missing` are the paths of the scope that no entry lies under.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.stand_ins: Dict[bytes, bytes] = {}
        self.names: Set[bytes] = set()
        self.missing: List[bytes] = []

    @property
    def everything(self) -> bool:
        return self.scope.everything

    def __contains__(self, entry: Entry) -> bool:
        return entry.path in self.names or entry in self.scope  # a sample goes by the leader, which these lose

    def needs(self, entry: Entry) -> bool:
        """Must this entry be read?"""
        return entry.path in self.stand_ins or entry in self

    def as_restored(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries as they lie on disk after a restore: a stand-in is what its leader was, the others link to it."""
        leaders: Dict[bytes, Entry] = {}
        for entry in entries:
            name = self.stand_ins.get(entry.path)
            if name is not None:
                leaders[name] = entry.but(path=name)
            stand_in = self.stand_ins.get(entry.leader) if entry.leader is not None else None
            if stand_in == entry.path:
                entry = leaders.pop(stand_in, entry)
            elif stand_in is not None and entry.path in self.names:
                entry = entry.but(leader=stand_in)
            yield entry


def select(scope: Scope, entries: Iterable[Entry]) -> Selection:
    """Takes a pass over the manifest's entries, unless the scope is everything."""
    found = Selection(scope)
    if scope.everything:
        return found
    missing = dict.fromkeys(scope.paths)
    for entry in entries:
        for path in [path for path in missing if under(entry.path, path)]:
            del missing[path]
        if entry.leader is not None and entry in scope and not scope.reaches(entry.leader):
            found.stand_ins.setdefault(entry.leader, entry.path)
            found.names.add(entry.path)
    found.missing = list(missing)
    return found


def under(path: bytes, folder: bytes) -> bool:
    """Is `path` that folder, or below it?"""
    return folder == b"." or path == folder or path.startswith(folder + b"/")


def parse(paths: List[str], sample: Optional[Dict[str, Any]]) -> Scope:
    """Raises UpkeepError `bad_parameter`. A leading slash in `paths` does not count: archive names have none."""
    cleaned = []
    for path in paths:
        name = raw(path).strip(b"/")
        if name.startswith(b"./"):
            name = name[2:]
        if not name:
            name = b"."
        if b".." in name.split(b"/"):
            raise UpkeepError("bad_parameter", f"paths: {shown(name)} must not contain '..'.", option="paths")
        cleaned.append(name)
    if sample is None:
        return Scope(cleaned)
    part, of = sample.get("part"), sample.get("of")
    if not whole(part) or not whole(of) or not 1 <= part <= of:
        message = f"sample: part must be a number from 1 to of, not part {part} of {of}."
        raise UpkeepError("bad_parameter", message, option="sample")
    return Scope(cleaned, (part, of))
