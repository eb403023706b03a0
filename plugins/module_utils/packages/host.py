# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which system this is: os-release(5), machine-id(5), and whether it is a container."""

from __future__ import annotations

import os
import re
import shlex
from typing import Dict

from ._files import line_or_none, text_or_none
from .model import Host

# Last day of security updates that cost nothing: Debian's LTS (or the regular end, where there is none), Ubuntu's
# standard support. Source: distro-info-data 0.58+deb12u6 (debian.csv: eol-lts, ubuntu.csv: eol).
EOL = {
    ("debian", "10"): "2024-06-30",
    ("debian", "11"): "2026-08-31",
    ("debian", "12"): "2028-06-30",
    ("debian", "13"): "2030-06-30",
    ("ubuntu", "18.04"): "2023-05-31",
    ("ubuntu", "20.04"): "2025-05-29",
    ("ubuntu", "22.04"): "2027-06-01",
    ("ubuntu", "24.04"): "2029-05-31",
    ("ubuntu", "25.04"): "2026-01-15",
    ("ubuntu", "25.10"): "2026-07-09",
    ("ubuntu", "26.04"): "2031-05-29",
}
_CONTAINER_FILES = ("/run/systemd/container", "/.dockerenv", "/run/.containerenv")
_CONTAINER_CGROUP = re.compile(r"/(docker|lxc|kubepods|libpod|machine\.slice/(?:libpod|machine-))[/.:-]")


def parse_os_release(text: str) -> Dict[str, str]:
    """`NAME=value` lines in shell quoting; what cannot be read is left out."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            found[name] = "".join(shlex.split(value)[:1])
        except ValueError:
            continue
    return found


def os_release(root: str = "/") -> Dict[str, str]:
    """This system's os-release, `{}` where it has none."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        text = text_or_none(os.path.join(root, path))
        if text is not None:
            return parse_os_release(text)
    return {}


def is_container(root: str = "/") -> bool:
    """Whether this is a container: a kernel that is not its own, so that it cannot need a reboot.

    The signs are those of systemd's container interface, docker and podman, and the cgroup of PID 1.
    """
    if any(os.path.exists(os.path.join(root, path.lstrip("/"))) for path in _CONTAINER_FILES):
        return True
    environment = text_or_none(os.path.join(root, "proc/1/environ")) or ""
    if any(entry.startswith("container=") for entry in environment.split("\0")):
        return True
    return bool(_CONTAINER_CGROUP.search(text_or_none(os.path.join(root, "proc/1/cgroup")) or ""))


def describe(root: str = "/") -> Host:
    """This host (`root` is for tests). `arch` is the kernel's word for it."""
    release = os_release(root)
    os_id, version = release.get("ID"), release.get("VERSION_ID")
    return Host(
        os_id=os_id,
        os_version=version,
        codename=release.get("VERSION_CODENAME"),
        arch=os.uname().machine,
        machine_id=line_or_none(os.path.join(root, "etc/machine-id")),
        boot_id=line_or_none(os.path.join(root, "proc/sys/kernel/random/boot_id")),
        container=is_container(root),
        eol_date=EOL.get((os_id or "", version or "")),
    )
