# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How content comes over the wire: as it is, or packed by the server."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

_BLOCK = 2**17


class AsItIs:
    """Content as it comes."""

    def __call__(self, block: bytes) -> Iterator[bytes]:
        yield block

    def is_whole(self) -> bool:
        return True


class Gzip:
    """Content that the server packed for the way, in pieces of bounded size. zlib.error."""

    def __init__(self) -> None:
        self._unpack = zlib.decompressobj(wbits=31)

    def __call__(self, block: bytes) -> Iterator[bytes]:
        while block:
            content = self._unpack.decompress(block, _BLOCK)
            block = self._unpack.unconsumed_tail
            if content:
                yield content

    def is_whole(self) -> bool:
        return self._unpack.eof
