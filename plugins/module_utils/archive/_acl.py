# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""POSIX ACLs as tar carries them: the kernel's binary attribute (linux/posix_acl_xattr.h) to the text of acl(5)."""

from __future__ import annotations

import struct
from typing import Optional

# xattr name -> pax key, as star, GNU tar and libarchive write it
PAX_KEYS = {
    "system.posix_acl_access": b"SCHILY.acl.access",
    "system.posix_acl_default": b"SCHILY.acl.default",
}
_TAGS = {0x01: "user:", 0x02: "user:%d", 0x04: "group:", 0x08: "group:%d", 0x10: "mask:", 0x20: "other:"}


def to_text(value: bytes) -> Optional[bytes]:
    """`user::rw-,user:1000:r--,…` with numeric ids; None when `value` is no version 2 ACL (it is then kept raw)."""
    if len(value) < 4 or (len(value) - 4) % 8 or struct.unpack_from("<I", value)[0] != 2:
        return None
    parts = []
    for tag, perm, number in struct.iter_unpack("<HHI", value[4:]):
        if tag not in _TAGS or perm > 7:
            return None
        who = _TAGS[tag] % number if "%d" in _TAGS[tag] else _TAGS[tag]
        bits = "".join(letter if perm & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        parts.append(f"{who}:{bits}")
    return ",".join(parts).encode("ascii")
