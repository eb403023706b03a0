# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host and set names as folder names: no name leaves its folder, and distinct names stay distinct."""

from __future__ import annotations

import hashlib
import re
import urllib.parse

# File systems allow 255 bytes a name; evidence adds a stamp and a suffix to two names.
_LONGEST = 96
_KEPT = 48
_SAFE = re.compile(r"[A-Za-z0-9._-]")
# No percent-encoding produces "%~", so a shortened name cannot meet an encoded one.
_SHORTENED = "%~"
# Nor a lone "%": "%00" is the name of one NUL.
_EMPTY = "%"


def encode(name: str) -> str:
    """`name` with everything outside `[A-Za-z0-9._-]`, and a leading dot, percent-encoded as UTF-8 bytes.

    A name that would be longer than 96 characters keeps its beginning, followed by `%~` and 40 digits of its sha256.
    """
    raw = name.encode("utf-8", "surrogateescape")
    encoded = "".join(chr(byte) if _SAFE.match(chr(byte)) else f"%{byte:02X}" for byte in raw) or _EMPTY
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    if len(encoded) > _LONGEST:
        return encoded[:_KEPT] + _SHORTENED + hashlib.sha256(raw).hexdigest()[:40]
    return encoded


def decode(folder: str) -> str | None:
    """The name that `encode` was given, or None where it was shortened."""
    if _SHORTENED in folder:
        return None
    return "" if folder == _EMPTY else urllib.parse.unquote(folder, "utf-8", "surrogateescape")
