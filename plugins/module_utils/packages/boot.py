# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether /boot has room for one more kernel: an upgrade that fills it ends halfway, often without an initramfs."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Optional

# vmlinuz-6.1.0-35-amd64, initrd.img-…, System.map-…, config-… (Debian); initramfs-5.14.0-503.el9.x86_64.img (Red Hat)
_KERNEL_FILE = re.compile(
    r"^(?:vmlinu[xz]|Image|initrd(?:\.img)?|initramfs|System\.map|config|symvers)-(\d.*?)(?:\.img|\.gz)?$"
)


def room(root: str = "/", container: bool = False) -> Dict[str, Any]:
    """The fields of `health` about /boot; a container boots nothing, and only its free bytes are told.

    `boot_needed_bytes` is what the largest kernel there takes with all its files, None where there is none.
    """
    folder = os.path.join(root, "boot")
    free = _free_bytes(folder)
    needed = None if container else _largest_kernel(folder)
    full = None if free is None or needed is None else free < needed
    return {"boot_free_bytes": free, "boot_needed_bytes": needed, "boot_full": full}


def _free_bytes(folder: str) -> Optional[int]:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _largest_kernel(folder: str) -> Optional[int]:
    sizes: Dict[str, int] = {}
    try:
        for entry in os.scandir(folder):
            match = _KERNEL_FILE.match(entry.name)
            if match and "rescue" not in entry.name and entry.is_file(follow_symlinks=False):
                sizes[match.group(1)] = sizes.get(match.group(1), 0) + entry.stat().st_size
    except OSError:
        return None
    return max(sizes.values(), default=None)
