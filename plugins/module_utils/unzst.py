# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading Zstandard as others write it: frames of any size, through libzstd's streaming interface (zstd.h) and ctypes.

`archive/zst.py` is for our own archives, whose blocks are known beforehand.
"""

from __future__ import annotations

import ctypes
from typing import Any, BinaryIO, Iterator

from .errors import UpkeepError

MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 17


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer, which look the same."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t))


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """The raw bytes of `source`, a piece at a time. ValueError where it is damaged or cut short.

    Raises UpkeepError `libzstd_missing`.
    """
    lib = _library()
    stream = ctypes.c_void_p(lib.ZSTD_createDStream())
    raw = ctypes.create_string_buffer(_CHUNK)
    try:
        wanted = 1
        while True:
            stored = source.read(_CHUNK)
            if not stored:
                break
            taken = _Buffer(ctypes.cast(ctypes.c_char_p(stored), ctypes.c_void_p), len(stored), 0)
            made = _Buffer(None, 0, 0)
            # A full output buffer may leave more to come out, even where all of the input was taken.
            while taken.position < taken.size or (wanted and made.position == made.size > 0):
                made = _Buffer(ctypes.cast(raw, ctypes.c_void_p), _CHUNK, 0)
                wanted = lib.ZSTD_decompressStream(stream, ctypes.byref(made), ctypes.byref(taken))
                if lib.ZSTD_isError(wanted):
                    raise ValueError(lib.ZSTD_getErrorName(wanted).decode("ascii", "replace"))
                if made.position:
                    yield raw.raw[: made.position]
        if wanted:
            raise ValueError("it is cut short")
    finally:
        lib.ZSTD_freeDStream(stream)


def _library() -> Any:
    try:
        lib = ctypes.CDLL("libzstd.so.1")
    except OSError:
        raise UpkeepError(
            "libzstd_missing",
            "libzstd.so.1 is missing, and a zstd file has to be read: install libzstd (Debian: libzstd1).",
        )
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    for function, result, arguments in (
        ("ZSTD_createDStream", pointer, []),
        ("ZSTD_freeDStream", size, [pointer]),
        ("ZSTD_decompressStream", size, [pointer, pointer, pointer]),
        ("ZSTD_isError", ctypes.c_uint, [size]),
        ("ZSTD_getErrorName", ctypes.c_char_p, [size]),
    ):
        getattr(lib, function).restype = result
        getattr(lib, function).argtypes = arguments
    return lib
