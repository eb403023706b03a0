# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which part of an archive a verification looks at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import Entry, raw, shown


@dataclass
class Scope:
    """`paths` (archive names; each with all below it) and `sample` (part, of): both must hold. Empty means all."""

    paths: List[bytes] = field(default_factory=list)
    sample: Optional[Tuple[int, int]] = None

    @property
    def everything(self) -> bool:
        return not self.paths and self.sample is None

    def __contains__(self, entry: Entry) -> bool:
        if self.paths and not any(under(entry.path, path) for path in self.paths):
            return False
        if self.sample is None:
            return True
        # a hard link goes with its leader, or it could never be restored
        part, of = self.sample
        digest = hashlib.sha256(entry.leader or entry.path).digest()
        return int.from_bytes(digest[:8], "big") % of == part - 1


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
    if type(part) is not int or type(of) is not int or not 1 <= part <= of:
        message = f"sample: part must be a number from 1 to of, not part {part} of {of}."
        raise UpkeepError("bad_parameter", message, option="sample")
    return Scope(cleaned, (part, of))
