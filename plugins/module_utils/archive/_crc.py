# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CRC-32 of a whole from the CRC-32s of its parts, so that blocks can be summed in parallel (zlib's crc32_combine)."""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31  # x^0 in zlib's reflected order


def combine(first: int, second: int, second_length: int) -> int:
    """The CRC-32 of two pieces in a row; `second_length` is the second's length in bytes."""
    return _multiply(_shift(second_length), first) ^ second


def _multiply(a: int, b: int) -> int:
    """a(x) * b(x) modulo the CRC polynomial."""
    mask, product = _ONE, 0
    while mask:
        if a & mask:
            product ^= b
        mask >>= 1
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@lru_cache(maxsize=64)
def _shift(length: int) -> int:
    """x^(8 * length) modulo the CRC polynomial, by repeated squaring."""
    result, square, bits = _ONE, _ONE >> 1, length * 8
    while bits:
        if bits & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        bits >>= 1
    return result
