# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a kernel would start, by the files in /boot of Debian and of Red Hat."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.patching import kernel_files

OLD, NEW = 1000, 2000  # times of files
WHOLE = b"\x28\xb5\x2f\xfd" + b"x" * 3000
LAYOUTS = {
    "debian": ("6.1.0-35-amd64", "6.1.0-40-amd64", "vmlinuz-{}", "initrd.img-{}"),
    "redhat": ("5.14.0-503.el9.x86_64", "5.14.0-570.el9.x86_64", "vmlinuz-{}", "initramfs-{}.img"),
    "suse": ("6.4.0-10-default", "6.4.0-20-default", "Image-{}", "initrd-{}"),
}


@pytest.fixture(params=sorted(LAYOUTS))
def boot(request, tmp_path):
    """boot(initramfs, image) writes /boot with an old kernel that is whole and the new one as told: its problem."""
    old, new, image_name, initramfs_name = LAYOUTS[request.param]
    (tmp_path / "boot").mkdir()

    def put(pattern, release, content, when):
        path = tmp_path / "boot" / pattern.format(release)
        path.write_bytes(content)
        os.utime(str(path), (when, when))

    def write(initramfs=WHOLE, image=b"MZ", older=False):
        put(image_name, old, b"MZ", OLD)
        put(initramfs_name, old, WHOLE, OLD)
        put(image_name, "0-rescue-0123456789abcdef", b"MZ", OLD)
        put(initramfs_name, "0-rescue-0123456789abcdef", WHOLE * 9, OLD)
        if image is not None:
            put(image_name, new, image, NEW)
        if initramfs is not None:
            put(initramfs_name, new, initramfs, OLD if older else NEW)
        return kernel_files.problem(new, str(tmp_path))

    return write


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"070701", b"\xfd7zXZ\0", b"\x02\x21\x4c\x18", b"\x04\x22\x4d\x18"])
def test_whole_ones_of_each_compression(boot, head):
    assert boot(head + b"x" * 3000) is None


@pytest.mark.parametrize(
    "given, said",
    [
        ({"image": None, "initramfs": None}, "has no kernel"),
        ({"image": None}, "has no kernel"),
        ({"image": b""}, "is empty or cannot be read"),
        ({"initramfs": None}, "has no initramfs for the kernel"),
        ({"initramfs": b""}, "is empty or cannot be read"),
        ({"initramfs": b"\0" * 4000}, "does not begin as an initramfs does"),
        ({"initramfs": WHOLE[:500]}, "was probably cut off"),
        ({"older": True}, "is older than its kernel"),
    ],
)
def test_damaged_ones(boot, given, said):
    assert said in (boot(**given) or "")


def test_nothing_to_look_at(tmp_path):
    assert kernel_files.problem("6.1.0-40-amd64", str(tmp_path)) is None  # no /boot, as in a container
    (tmp_path / "boot").mkdir()
    assert kernel_files.problem("6.1.0-40-amd64", str(tmp_path)) is None  # nor a kernel, as with unified images
    (tmp_path / "boot/vmlinuz-linux").write_bytes(b"MZ")
    assert kernel_files.problem("6.12.1-arch1-1", str(tmp_path)) is None  # its name does not tell its release


def test_a_host_whose_kernels_need_no_initramfs(tmp_path):
    (tmp_path / "boot").mkdir()
    for release in ("6.1.0", "6.2.0"):
        (tmp_path / f"boot/vmlinuz-{release}").write_bytes(b"MZ")
    assert kernel_files.problem("6.2.0", str(tmp_path)) is None
