# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which kernel counts, of those that are installed."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import kernel

from tests.advisories import level, package


@pytest.mark.parametrize(
    ("family", "source", "expected"),
    [
        ("dpkg", "linux", "linux"),
        ("dpkg", "linux-signed-amd64", "linux"),
        ("dpkg", "linux-signed-6.1-arm64", "linux-6.1"),
        ("dpkg", "linux-signed", "linux"),
        ("dpkg", "linux-signed-hwe-6.8", "linux-hwe-6.8"),
        ("dpkg", "linux-meta-aws", "linux-aws"),
        ("dpkg", "linux-azure-fde", "linux-azure-fde"),
        ("dpkg", "linux-base", None),
        ("dpkg", "linux-firmware", None),
        ("dpkg", "linuxptp", None),
        ("dpkg", "openssl", None),
        ("rpm", "kernel", "kernel"),
        ("rpm", "kernel-rt", "kernel-rt"),
        ("rpm", "kernel-default", "kernel-default"),
        ("rpm", "kernel-firmware", None),
        ("rpm", "linux", None),
        ("apk", "linux-lts", "linux-lts"),
        ("apk", "linux-pam", None),
        ("apk", "linux-headers", None),
    ],
)
def test_sources_of_kernels(family, source, expected):
    assert kernel.source_of(family, source) == expected


def image(release, version, source="linux-signed-amd64"):
    return package(f"linux-image-{release}", version, source, version.replace("-", "+"))


OLD, NEW = image("6.1.0-35-amd64", "6.1.137-1"), image("6.1.0-40-amd64", "6.1.153-1")
HEADERS = package("linux-libc-dev", "6.1.153-1", "linux")


def told(installed, family="dpkg", container=False, **of):
    return kernel.running(level(installed, container=container, kernel=of), family)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"running": "6.1.0-35-amd64", "newest_installed": "6.1.0-40-amd64", "reboot_needed": True},
         ("linux", "6.1.137-1", "6.1.153-1")),
        ({"running": "6.1.0-40-amd64", "newest_installed": "6.1.0-40-amd64", "reboot_needed": False},
         ("linux", "6.1.153-1", None)),
        # What the host says itself outweighs what its packages' names tell.
        ({"running": "6.1.0-35-amd64", "running_version": "6.1.130-1", "running_source": "linux-signed-amd64"},
         ("linux", "6.1.130-1", None)),
        # Rebuilt under the same name: the new one is on the disk, the old one runs.
        ({"running": "6.1.0-35-amd64", "running_version": "6.1.130-1", "running_source": "linux",
          "newest_installed": "6.1.0-35-amd64", "reboot_needed": True}, ("linux", "6.1.130-1", "6.1.137-1")),
    ],
)  # fmt: skip
def test_the_running_one(of, expected):
    assert told([OLD, NEW, HEADERS], **of) == (expected, None)


def test_an_rpm_s_kernel_by_its_version():
    core = package("kernel-core", "5.14.0-427.el9", "kernel", arch="x86_64")
    assert told([core], "rpm", running="5.14.0-427.el9.x86_64") == (("kernel", "5.14.0-427.el9", None), None)


def test_in_a_container_none_counts():
    assert told([OLD], container=True, running="6.1.0-35-amd64") == (None, None)


@pytest.mark.parametrize("installed", [[], [HEADERS], [OLD]])
def test_a_kernel_of_no_package_cannot_be_told(installed):
    running, why = told(installed, running="6.18.44-handmade")
    assert running is None and "6.18.44-handmade" in why
