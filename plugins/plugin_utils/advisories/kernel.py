# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a host's kernel packages counts: the one that runs. Pure.

An older kernel that is installed and not booted attacks nobody, and headers (linux-libc-dev) are no kernel. In a
container none counts: its kernel is its host's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from .match import readable

# Source packages of kernels, by family. Debian's and Ubuntu's signed images and metapackages come from sources of their
# own, and what is said of the kernel is said of the one without these words.
_FLAVOURS = (
    "amd64|arm64|i386|aws|azure|bluefield|cloud|edge|fde|fips|gcp|gke|gkeop|hwe|ibm|igx|intel|iot|iotg|kvm|laptop|"
    "lowlatency|nvidia|oem|opt|oracle|raspi|raspi2|realtime|riscv|rt|snapdragon|starfive|tegra|xilinx|zynqmp"
)
_SOURCES = {
    "dpkg": re.compile(rf"linux(?:-signed|-meta|-latest)?((?:-(?:\d+(?:\.\d+)*|{_FLAVOURS}))*)"),
    "rpm": re.compile(r"kernel((?:-(?:64k|64kb|azure|debug|default|preempt|rt|source|syms|uek|vanilla))?)"),
    "apk": re.compile(r"linux((?:-(?:asahi|edge|elts|gru|hardened|lts|openpax|rpi\d?|stable|starfive|vanilla|virt)))"),
}
_PLAIN = {"dpkg": "linux", "rpm": "kernel", "apk": "linux"}
_ARCH = re.compile(r"-(?:amd64|arm64|i386)$")
# The packages that hold the kernel itself, among those of its source.
_IMAGES = {
    "dpkg": re.compile(r"linux-image-(?:unsigned-)?\d.*"),
    "rpm": re.compile(r"kernel(?:-core|-default|-(?:64k|azure|rt|uek)(?:-core)?)?(?:-base)?"),
    "apk": re.compile(r"linux-[a-z0-9]+"),
}


class Running(NamedTuple):
    """The kernel that runs: its source package as advisories name it, and its package's version.

    `booted_next` is the version of the kernel that a reboot would start, where that is another one.
    """

    source: str
    version: str
    booted_next: str | None = None


@lru_cache(maxsize=2**14)
def source_of(family: str, source: str) -> str | None:
    """The name by which advisories speak of the kernel that `source` makes; None where it makes none."""
    match = _SOURCES[family].fullmatch(source) if family in _SOURCES else None
    return f"{_PLAIN[family]}{_ARCH.sub('', match.group(1))}" if match else None


def is_image(family: str, package: str) -> bool:
    """Whether a binary package of a kernel's source holds the kernel itself."""
    return family in _IMAGES and bool(_IMAGES[family].fullmatch(package))


def running(level: Mapping[str, Any], family: str) -> tuple[Running | None, str | None]:
    """(the running kernel, None), (None, None) where none counts, or (None, why it cannot be told)."""
    if (level.get("host") or {}).get("container"):
        return None, None
    kernel = level.get("kernel") or {}
    release = kernel.get("running")
    images = [
        (package, source)
        for package in level.get("installed") or []
        if (source := source_of(family, str(package.get("source_name")))) and is_image(family, str(package["name"]))
    ]
    version, named = kernel.get("running_version"), kernel.get("running_source")
    source = (source_of(family, str(named)) or str(named)) if named else None
    if not version or not source:
        own = [(package, made_by) for package, made_by in images if release and _is_of(package, str(release))]
        if not own:
            return None, f"the running kernel {release or '?'} is of no installed package: its flaws cannot be told"
        version, source = version or own[0][0]["version"], source or own[0][1]
    following = _following(kernel, [package for package, made_by in images if made_by == source])
    return Running(source, str(version), _newer(family, str(version), following)), None


def newest(family: str, found: Iterable[str]) -> str | None:
    """The newest of some versions; None of none that can be read."""
    found = set(found)
    if len(found) == 1:
        return found.pop()
    known = [(key, version) for version in found if (key := readable(family, version)) is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _is_of(package: Mapping[str, Any], release: str) -> bool:
    """`linux-image-6.1.0-35-amd64`; for an rpm `uname -r` is version-release.arch, without an epoch."""
    name, version = str(package["name"]), str(package.get("version")).rpartition(":")[2]
    return name.endswith(f"-{release}") or f"{version}.{package.get('arch')}" == release


def _following(kernel: Mapping[str, Any], images: list[Mapping[str, Any]]) -> list[str]:
    if not kernel.get("reboot_needed"):
        return []
    release = str(kernel.get("newest_installed"))
    return [str(package["version"]) for package in images if _is_of(package, release)]


def _newer(family: str, version: str, others: list[str]) -> str | None:
    last = newest(family, [version, *others])
    return last if last != version else None
