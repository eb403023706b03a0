# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which host, which kernel, and whether it needs a reboot."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import boot, host, kernel, reboot
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Kernel, KernelPackage


@pytest.mark.parametrize(
    "text, expected",
    [
        ('ID=debian\nVERSION_ID="12"\n', {"ID": "debian", "VERSION_ID": "12"}),
        ("# no\nNAME='A B'\nX=\n", {"NAME": "A B", "X": ""}),
        ('BROKEN="open\nID=x', {"ID": "x"}),
        ("", {}),
    ],
)
def test_os_release(text, expected):
    assert host.parse_os_release(text) == expected


def root(tmp_path, **files):
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_o_", ".").replace("_d_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


def test_describe(tmp_path):
    place = root(
        tmp_path,
        **{
            "usr__lib__os_d_release": "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
            "etc__machine_d_id": "abc\n",
            "proc__1__cgroup": "0::/init.scope\n",
            "proc__1__environ": "HOME=/\0TERM=linux\0",
        },
    )
    found = host.describe(place)
    assert (found.os_id, found.os_version, found.codename, found.machine_id) == ("debian", "12", "bookworm", "abc")
    assert (found.boot_id, found.container, found.eol_date) == (None, False, "2028-06-30")


def test_nothing_is_known_of_an_empty_root(tmp_path):
    found = host.describe(str(tmp_path))
    assert (found.os_id, found.eol_date, found.container) == (None, None, False)


@pytest.mark.parametrize(
    "name, text",
    [
        ("run__systemd__container", "podman"),
        ("_o_dockerenv", ""),
        ("run___o_containerenv", ""),
        ("proc__1__environ", "A=b\0container=lxc\0"),
        ("proc__1__cgroup", "12:pids:/docker/0123\n"),
        ("proc__1__cgroup", "0::/machine.slice/libpod-0123.scope\n"),
        ("proc__1__cgroup", "0::/kubepods.slice/kubepods-pod1.slice/x\n"),
    ],
)
def test_containers(tmp_path, name, text):
    assert host.is_container(root(tmp_path, **{name: text}))


@pytest.mark.parametrize(
    "release, parts",
    [
        ("6.1.0-35-amd64", ("6.1.0-35", "amd64")),
        ("6.1.0-35-cloud-amd64", ("6.1.0-35", "cloud-amd64")),
        ("6.8.0-60-generic", ("6.8.0-60", "generic")),
        ("6.12.48+deb13-amd64", ("6.12.48+deb13", "amd64")),
        ("6.12.9+bpo-rt-amd64", ("6.12.9+bpo", "rt-amd64")),
        ("6.6.51+rpt-rpi-v8", ("6.6.51+rpt", "rpi-v8")),
        ("6.18.44-fc-v445", ("6.18.44", "fc-v445")),
        ("weird", ("", "weird")),
    ],
)
def test_split_release(release, parts):
    assert kernel.split_release(release) == parts


@pytest.mark.parametrize(
    "release, parts",
    [
        ("6.6.10-arch1-1", ("6.6.10-arch1-1", "")),
        ("6.6.10-zen1-1-zen", ("6.6.10-zen1-1", "zen")),
        ("6.1.70-1-lts", ("6.1.70-1", "lts")),
        ("6.6.58-0-virt", ("6.6.58-0", "virt")),
    ],
)
def test_split_release_of_arch_and_alpine(release, parts):
    assert kernel.split_release(release) == parts


def test_arch_kernels_of_one_flavour():
    installed = packages("6.6.10-arch2-1", "6.1.70-1-lts", "6.6.12-zen1-1-zen")
    assert kernel.judge("6.6.10-arch1-1", "#1 SMP", installed, False).reboot_needed is True
    assert kernel.judge("6.6.10-arch2-1", "#1 SMP", installed, False).reboot_needed is False


DEBIAN = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)"


def packages(*releases):
    return [KernelPackage(*entry) if isinstance(entry, tuple) else KernelPackage(entry, "1") for entry in releases]


@pytest.mark.parametrize(
    "running, build, installed, newest, needed",
    [
        ("6.1.0-9-amd64", "#1 SMP", packages("6.1.0-9-amd64", "6.1.0-10-amd64"), "6.1.0-10-amd64", True),
        ("6.1.0-10-amd64", "#1 SMP", packages("6.1.0-9-amd64", "6.1.0-10-amd64"), "6.1.0-10-amd64", False),
        ("6.1.0-9-amd64", "#1 SMP", packages("6.1.0-9-amd64", "6.1.0-10-cloud-amd64"), "6.1.0-9-amd64", False),
        ("6.8.0-60-generic", "#63-Ubuntu SMP", packages("6.8.0-60-generic", "6.8.0-61-lowlatency"), None, False),
        ("6.1.0-9-amd64", "#1 SMP", packages("6.1.0-8-amd64"), "6.1.0-8-amd64", False),
        ("6.18.44-fc-v445", "#1 SMP", packages("6.1.0-9-amd64"), None, None),
        ("6.18.44-fc-v445", "#1 SMP", [], None, None),
        ("weird", "#1", packages("also-weird"), None, None),
        ("6.1.0-35-amd64", DEBIAN, packages(("6.1.0-35-amd64", "6.1.137-1")), None, False),
        ("6.1.0-35-amd64", DEBIAN, packages(("6.1.0-35-amd64", "6.1.140-1")), None, True),
    ],
)
def test_kernels(running, build, installed, newest, needed):
    found = kernel.judge(running, build, installed, container=False)
    assert found.reboot_needed is needed
    if newest:
        assert found.newest_installed == newest
    assert kernel.judge(running, build, installed, container=True).reboot_needed is None


CURRENT = Kernel("6.1.0-9-amd64", "6.1.0-9-amd64", False)
OLD = Kernel("6.1.0-9-amd64", "6.1.0-10-amd64", True)
REBUILT = Kernel("6.1.0-9-amd64", "6.1.0-9-amd64", True)
FOREIGN = Kernel("6.18.44-fc", None, None)


@pytest.mark.parametrize(
    "running, has_packages, container, flag, required, reason",
    [
        (CURRENT, True, False, None, False, None),
        (OLD, True, False, None, True, "The kernel 6.1.0-9-amd64 runs, 6.1.0-10-amd64 is installed."),
        (
            REBUILT,
            True,
            False,
            None,
            True,
            "The kernel 6.1.0-9-amd64 runs an older build than the one that is installed.",
        ),
        (CURRENT, True, False, "libc6\nlibc6\nlibssl3\n", True, "The distribution asks for it"),
        (FOREIGN, False, False, None, False, None),
        (FOREIGN, True, False, None, None, None),
        (FOREIGN, True, False, "", True, "The distribution asks for it (/run/reboot-required)."),
        (OLD, True, True, "libc6\n", None, None),
    ],
)
def test_reboots(tmp_path, running, has_packages, container, flag, required, reason):
    if flag is not None:
        root(tmp_path, **{"run__reboot_d_required": "", "run__reboot_d_required_o_pkgs": flag})
    found = reboot.judge(running, has_packages, container, str(tmp_path))
    assert found.required is required
    assert bool(found.reasons) == (required is True)
    if reason:
        assert found.reasons[0].startswith(reason)
    if flag and not container:
        assert found.reasons[0].endswith(": libc6, libssl3.")


UBUNTU = "Ubuntu 6.8.0-60.63-generic 6.8.12"


@pytest.mark.parametrize(
    "running, build, signed, installed, version, source",
    [
        pytest.param(
            "6.1.0-35-amd64", DEBIAN, "", [("6.1.0-35-amd64", "6.1.137-1", "linux")], "6.1.137-1", "linux", id="both"
        ),
        pytest.param(
            "6.1.0-35-amd64", DEBIAN, "", [("6.1.0-35-amd64", "6.1.140-1", "linux")], "6.1.137-1", "linux", id="rebuilt"
        ),
        pytest.param("6.1.0-35-amd64", DEBIAN, "", [], "6.1.137-1", None, id="package removed"),
        pytest.param(
            "6.8.0-60-generic", "#63-Ubuntu SMP", UBUNTU, [("6.8.0-60-generic", "6.8.0-60.64", "linux")],
            "6.8.0-60.63", "linux", id="Ubuntu's signature",
        ),
        pytest.param(
            "6.8.0-60-generic", "#63-Ubuntu SMP", "", [("6.8.0-60-generic", "6.8.0-60.63", "linux")],
            "6.8.0-60.63", "linux", id="its package alone",
        ),
        pytest.param("6.18.44-fc", "#1 SMP", "Vendor 1-fc 2", [("6.1.0-9-amd64", "6.1", "linux")], None, None, id="no"),
    ],
)  # fmt: skip
def test_the_version_of_what_runs(running, build, signed, installed, version, source):
    known = [KernelPackage(*entry) for entry in installed]
    found = kernel.judge(running, build, known, container=False, signed=signed)
    assert (found.running_version, found.running_source) == (version, source)
    inside = kernel.judge(running, build, known, container=True, signed=signed)
    assert (inside.running_version, inside.running_source) == (None, None)


DEBIAN_BOOT = {
    "vmlinuz-6.1.0-35-amd64": 8, "initrd.img-6.1.0-35-amd64": 40, "System.map-6.1.0-35-amd64": 1,
    "config-6.1.0-35-amd64": 1, "vmlinuz-6.1.0-34-amd64": 9, "grub/grub.cfg": 900,
}  # fmt: skip
RED_HAT_BOOT = {
    "vmlinuz-5.14.0-1.el9.x86_64": 13, "initramfs-5.14.0-1.el9.x86_64.img": 60, "symvers-5.14.0-1.el9.x86_64.gz": 2,
    "initramfs-0-rescue-0123.img": 900, "initramfs-5.14.0-1.el9.x86_64kdump.img": 30,
}  # fmt: skip


@pytest.mark.parametrize(
    "files, needed", [(DEBIAN_BOOT, 50), (RED_HAT_BOOT, 75), ({"grub/grub.cfg": 9}, None)], ids=["debian", "el", "none"]
)
def test_room_for_the_next_kernel(tmp_path, monkeypatch, files, needed):
    for name, size in files.items():
        path = tmp_path / "boot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    found = boot.room(str(tmp_path))
    assert found["boot_needed_bytes"] == needed
    assert found["boot_full"] is (None if needed is None else False) and found["boot_free_bytes"] > 0
    monkeypatch.setattr(boot, "_free_bytes", lambda folder: 49)
    assert boot.room(str(tmp_path))["boot_full"] is (None if needed is None else True)
    assert boot.room(str(tmp_path), container=True)["boot_full"] is None


def test_a_system_without_boot(tmp_path):
    assert boot.room(str(tmp_path)) == {"boot_free_bytes": None, "boot_needed_bytes": None, "boot_full": None}
