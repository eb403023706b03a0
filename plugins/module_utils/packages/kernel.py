# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The running kernel against the newest installed one of the same flavour."""

from __future__ import annotations

import re
from typing import Iterable, List, Optional, Tuple

from . import _rpmkernel
from ._debversion import version_key
from ._files import line_or_none
from ._rpmversion import evr_key
from .model import Kernel, KernelPackage

# 6.1.0-35-cloud-amd64, 6.8.0-60-generic, 6.12.48+deb13-amd64, 6.6.51+rpt-rpi-v8, 6.6.10-zen1-1-zen: number and flavour.
_RELEASE = re.compile(r"^(\d+(?:\.\d+)*(?:[+~][^-]*)?(?:-(?:arch|zen|hardened)\d+-\d+|-\d+)?(?:~[^-]*)?)(?:-(.*))?$")
# Debian writes its package's version into the build line: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)"
_BUILD = re.compile(r"\bDebian (\S+)")


def split_release(release: str) -> Tuple[str, str]:
    """A release (`uname -r`) as number and flavour: `("6.1.0-35", "cloud-amd64")`."""
    of_rpm = _rpmkernel.split(release)
    if of_rpm:
        return of_rpm
    match = _RELEASE.match(release)
    return (match.group(1), match.group(2) or "") if match else ("", release)


def judge(running: str, build: str, installed: Iterable[KernelPackage], container: bool, signed: str = "") -> Kernel:
    """Whether the running kernel (`uname -r`, `uname -v`, `signature()`) should be replaced by an installed one.

    None where no installed kernel has its flavour: then it comes from elsewhere (a host of containers, a hypervisor, a
    hand-made one), and saying "reboot" would be a phantom.
    """
    packages = list(installed)
    version, source = (None, None) if container else _of_running(running, build, signed, packages)
    number, flavour = split_release(running)
    same = [package for package in packages if number and split_release(package.release)[1] == flavour]
    if not same:
        return Kernel(running, None, None, version, source)
    newest = max(same, key=_age)
    if container:
        return Kernel(running, newest.release, None, version, source)
    if newest.release != running:
        needed = _order(newest.release) > _order(running)
        return Kernel(running, newest.release, needed, version, source)
    built = _built(running, build, signed)
    rebuilt = built is not None and version_key(newest.version) > version_key(built)
    return Kernel(running, newest.release, rebuilt, version, source)


def signature() -> str:
    """Ubuntu's word for the kernel that runs, as `Ubuntu 6.8.0-60.63-generic 6.8.12`; empty elsewhere."""
    return line_or_none("/proc/version_signature") or ""


def _of_running(
    running: str, build: str, signed: str, installed: List[KernelPackage]
) -> Tuple[Optional[str], Optional[str]]:
    """Version and source package of what runs: what it says of itself, for its package may have been renewed since."""
    package = next((each for each in installed if each.release == running), None)
    built = _built(running, build, signed)
    return built or (package.version if package else None), package.source if package else None


def _built(running: str, build: str, signed: str) -> Optional[str]:
    debian = _BUILD.search(build)
    if debian:
        return debian.group(1)
    words = signed.split()
    if len(words) < 2 or words[0] != "Ubuntu":
        return None
    flavour = "-" + split_release(running)[1]
    return words[1][: -len(flavour)] if words[1].endswith(flavour) else words[1]


def _age(package: KernelPackage) -> tuple:
    return _order(package.release), version_key(package.version)


def _order(release: str) -> tuple:
    of_rpm = _rpmkernel.split(release)
    return evr_key(of_rpm[0]) if of_rpm else version_key(split_release(release)[0])
