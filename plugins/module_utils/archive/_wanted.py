# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A few paths' lines out of a manifest's hundred thousands, without parsing the others.

Lines stand in archive order. So of each chunk of lines only the first one's path is read: it tells whether what is
wanted can lie in the chunk before, and only such a chunk is looked through.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote
from typing import Iterable, List, Optional, Set

from ._lines import first_path
from .model import order, text

_MOST = 4 << 20  # bytes of lines held in memory
_START = b'{"path":'


class Wanted:
    """The entries at and below `paths` (archive names), the folders above them, and the files that they are links to.

    `look` takes each chunk of whole lines in order, then `found` tells.
    """

    def __init__(self, paths: Iterable[bytes]) -> None:
        self._paths: Set[bytes] = set(paths)
        self._all = b"." in self._paths
        self._above: Set[bytes] = set()
        for path in self._paths:
            parts = path.split(b"/")
            self._above.update(b"/".join(parts[:count]) for count in range(1, len(parts)))
        self._above.add(b".")
        exact = [_quoted(path) + b'"' for path in self._paths | self._above]
        self._starts = tuple(exact + [_quoted(path) + b"/" for path in self._paths])
        self._lines: List[bytes] = []
        self._size = 0
        self._chunk: Optional[bytes] = None
        self._first: tuple = ()

    def look(self, chunk: bytes) -> None:
        first = first_path(chunk)
        self._take(None if first is None else order(first))
        self._chunk, self._first = chunk, () if first is None else order(first)

    def found(self) -> Optional[List[bytes]]:
        """The lines; None where they are too many, or another file's content is needed that stands elsewhere."""
        self._take(None)
        return None if self._all else self._lines

    def _take(self, end: Optional[tuple]) -> None:
        """Keep the lines wanted of the last chunk, behind which `end` begins."""
        chunk, self._chunk = self._chunk, None
        if chunk is None or self._all or not self._may_hold(end):
            return
        for line in chunk.split(b"\n"):
            if line.startswith(self._starts):
                self._lines.append(line + b"\n")
                self._size += len(line)
                # a link's content may stand outside: rare enough to read everything then
                self._all = self._all or b',"leader":' in line or self._size > _MOST

    def _may_hold(self, end: Optional[tuple]) -> bool:
        below = [key for key in map(order, self._paths) if self._first[: len(key)] == key]
        exact = [key for key in map(order, self._paths | self._above) if key >= self._first]
        return bool(below) or any(end is None or key < end for key in exact)


def _quoted(path: bytes) -> bytes:
    return _START + quote(text(path))[:-1].encode("ascii")
