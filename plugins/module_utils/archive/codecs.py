# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The compressions an archive can have, and which one a file name or a file's first bytes mean.

A codec is a module with: name, suffixes, levels, default_level, magic, needs_crc, unavailable(), library(), header(),
compress(), decompress(), trailer(), stream(). `compress` and `decompress` are called from several threads at once.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import List, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import gz, plain, zst

CODECS = {codec.name: codec for codec in (gz, zst, plain)}


def split_suffix(dest: str) -> Tuple[str, str]:
    """`dest` as (stem, archive suffix); the suffix is empty when it is none that an archive can have."""
    known = sorted((s for codec in CODECS.values() for s in codec.suffixes), key=len, reverse=True)
    for suffix in known:
        if dest.endswith(suffix) and not dest.endswith("/" + suffix):
            return dest[: -len(suffix)], suffix
    return dest, ""


def choose(dest: str, compression: str) -> Tuple[ModuleType, str, List[str]]:
    """(codec, dest, warnings) for `compression` (auto, gz, zst, none).

    `auto` follows the suffix of `dest`, and falls back from zst to gz, with dest's suffix changed to `.tar.gz`, where
    libzstd is missing. Errors: bad_parameter, compression_unavailable.
    """
    stem, suffix = split_suffix(dest)
    by_suffix = [codec for codec in CODECS.values() if suffix in codec.suffixes]
    if not by_suffix:
        names = ", ".join(s for codec in CODECS.values() for s in codec.suffixes)
        raise UpkeepError("bad_parameter", f"dest: {dest} must end in one of {names}.", option="dest")
    codec = by_suffix[0]
    if compression not in ("auto", codec.name):
        raise UpkeepError(
            "bad_parameter",
            f"compression: {compression} does not go with dest {dest}; give dest the suffix "
            f"{CODECS[compression].suffixes[0]}, or leave compression at auto.",
            option="compression",
        )
    why = codec.unavailable()
    if not why:
        return codec, dest, []
    if compression != "auto":
        raise UpkeepError(
            "compression_unavailable",
            f"compression: {compression} cannot be used on this host: {why}. Install it, or use gz.",
        )
    other = stem + gz.suffixes[0]
    return gz, other, [f"{why}: wrote {other} with gz instead of {dest}."]


def written_as(dest: str) -> str:
    """The archive that `choose` made of `dest`: itself, or the gz one where there is only that."""
    stem, suffix = split_suffix(dest)
    other = stem + gz.suffixes[0]
    return other if suffix in zst.suffixes and not os.path.lexists(dest) and os.path.lexists(other) else dest


def recognise(first_bytes: bytes) -> ModuleType:
    """The codec of a file that starts with these bytes (512 of them, to tell a plain tar). ValueError if none."""
    for codec in (gz, zst):
        if first_bytes.startswith(codec.magic):
            return codec
    if first_bytes[257:262] == b"ustar":
        return plain
    raise ValueError("it is neither gzip, nor zstd, nor a plain tar")
