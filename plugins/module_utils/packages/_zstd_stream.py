# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a zstd file through libzstd: repositories are compressed with it, and Python reads it since 3.14 only.

Streamed, since the frames of repositories do not say their size (zstd.h, streaming decompression).
"""

from __future__ import annotations

import ctypes
from typing import BinaryIO, Iterator

LIBRARY = "libzstd.so.1"
_ROOM = 1 << 17


class _Buffer(ctypes.Structure):
    """`ZSTD_inBuffer` and `ZSTD_outBuffer`, which are alike."""

    _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t))


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """The raw bytes of a file of one or more frames. Raises OSError without the library, ValueError for damage."""
    lib = ctypes.CDLL(LIBRARY)
    size = ctypes.c_size_t
    for name, result, arguments in (
        ("ZSTD_createDStream", ctypes.c_void_p, []),
        ("ZSTD_freeDStream", size, [ctypes.c_void_p]),
        ("ZSTD_decompressStream", size, [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]),
        ("ZSTD_isError", ctypes.c_uint, [size]),
    ):
        getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments
    stream = lib.ZSTD_createDStream()
    room = ctypes.create_string_buffer(_ROOM)
    left = 0
    try:
        for stored in iter(lambda: source.read(_ROOM), b""):
            given = _Buffer(ctypes.cast(ctypes.c_char_p(stored), ctypes.c_void_p), len(stored), 0)
            taken = _Buffer(ctypes.cast(room, ctypes.c_void_p), _ROOM, _ROOM)
            # A full buffer may hide more that is ready.
            while given.position < given.size or taken.position == _ROOM:
                taken.position = 0
                left = lib.ZSTD_decompressStream(stream, ctypes.byref(taken), ctypes.byref(given))
                if lib.ZSTD_isError(left):
                    raise ValueError("it is damaged")
                yield room.raw[: taken.position]
        if left:
            raise ValueError("it is cut short")
    finally:
        lib.ZSTD_freeDStream(stream)
