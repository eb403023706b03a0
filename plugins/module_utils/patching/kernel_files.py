# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a kernel can be started: its image and its initramfs are there, and look whole. Looked at before a reboot.

Formats: Documentation/arch/x86/boot.rst, Documentation/arch/arm64/booting.rst, buffer-format.rst of the kernel.
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional, Tuple

# Names of a kernel's image and initramfs by its release: Debian and its kin, Red Hat's and SUSE's, a generic one.
_IMAGES = ("vmlinuz-{}", "vmlinux-{}", "Image-{}", "zImage-{}")
_INITRAMFS = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}")
# What an initramfs begins with: cpio (early microcode stands before the rest), and each compression there is.
_MAGIC = (
    b"070701", b"070702", b"\x1f\x8b", b"BZh", b"\x5d\x00\x00", b"\xfd7zXZ\x00", b"\x89LZO\x00", b"\x02\x21\x4c\x18",
    b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd",
)  # fmt: skip
_OTHER = ("rescue", "kdump")  # of a size of their own, and never what a reboot starts
_SMALL = 3  # an initramfs below a third of the others' size was probably cut off
_HEAD = 0x206


def problem(release: str, root: str = "/") -> Optional[str]:
    """Why the kernel `release` (as `uname -r` says it) would not start, as a sentence; None if nothing speaks against.

    A kernel without an initramfs is fine where no other has one, and one that is not in /boot at all is not judged
    where /boot has no kernel (unified images, a hypervisor's).
    """
    boot = os.path.join(root, "boot")
    if not _files(boot, _IMAGES):
        return None
    image = _files(boot, _IMAGES).get(release)
    if image is None:
        return f"{boot} has no kernel {release}"
    if not _head(image):
        return f"{image} is empty or cannot be read"
    all_of_them = _files(boot, _INITRAMFS)
    initramfs = all_of_them.pop(release, None)
    if initramfs is None:
        if not all_of_them:
            return None
        return f"{boot} has no initramfs for the kernel {release}: it was not made, often for want of room"
    return _damage(initramfs, image, sorted(all_of_them.values()))


def _damage(initramfs: str, image: str, others: List[str]) -> Optional[str]:
    head = _head(initramfs)
    if not head:
        return f"{initramfs} is empty or cannot be read"
    if not head.startswith(_MAGIC):
        return f"{initramfs} does not begin as an initramfs does"
    size = os.path.getsize(initramfs)
    sizes = sorted(os.path.getsize(other) for other in others)
    if sizes and size * _SMALL < sizes[len(sizes) // 2]:
        return f"{initramfs} has {size} bytes, where others have {sizes[len(sizes) // 2]}: it was probably cut off"
    # dpkg and rpm give an image the time of its build, which is long past when its initramfs is made.
    if os.path.getmtime(initramfs) < os.path.getmtime(image):
        return f"{initramfs} is older than its kernel {image}: it was not made again for it"
    return None


def _files(folder: str, patterns: Tuple[str, ...]) -> Dict[str, str]:
    """Kernel release -> path of what has one of these names; rescue kernels are none."""
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    return {release: os.path.join(folder, name) for name in names for release in _releases(name, patterns)}


def _releases(name: str, patterns: Tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        start, _brace, end = pattern.partition("{}")
        release = name[len(start) : len(name) - len(end)]
        named = name.startswith(start) and name.endswith(end) and release[:1].isdecimal()
        if named and not any(word in release for word in _OTHER):
            yield release


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(_HEAD)
    except OSError:
        return b""
