# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The running kernel against the newest installed one of the same flavour."""

from __future__ import annotations

import re
from typing import Iterable, Tuple

from . import _rpmkernel
from ._debversion import version_key
from ._rpmversion import evr_key
from .model import Kernel, KernelPackage

# 6.1.0-35-cloud-amd64, 6.8.0-60-generic, 6.12.48+deb13-amd64, 6.6.51+rpt-rpi-v8: number, then flavour.
_RELEASE = re.compile(r"^(\d+(?:\.\d+)*(?:[+~][^-]*)?(?:-\d+)?(?:~[^-]*)?)(?:-(.*))?$")
# Debian writes its package's version into the build line: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)"
_BUILD = re.compile(r"\bDebian (\S+)")


def split_release(release: str) -> Tuple[str, str]:
    """A release (`uname -r`) as number and flavour: `("6.1.0-35", "cloud-amd64")`."""
    of_rpm = _rpmkernel.split(release)
    if of_rpm:
        return of_rpm
    match = _RELEASE.match(release)
    return (match.group(1), match.group(2) or "") if match else ("", release)


def judge(running: str, build: str, installed: Iterable[KernelPackage], container: bool) -> Kernel:
    """Whether the running kernel (`uname -r`, `uname -v`) should be replaced by an installed one.

    None where no installed kernel has its flavour: then it comes from elsewhere (a host of containers, a hypervisor, a
    hand-made one), and saying "reboot" would be a phantom.
    """
    number, flavour = split_release(running)
    same = [package for package in installed if number and split_release(package.release)[1] == flavour]
    if not same:
        return Kernel(running, None, None)
    newest = max(same, key=_age)
    if container:
        return Kernel(running, newest.release, None)
    if newest.release != running:
        return Kernel(running, newest.release, _order(newest.release) > _order(running))
    built = _BUILD.search(build)
    rebuilt = built is not None and version_key(newest.version) > version_key(built.group(1))
    return Kernel(running, newest.release, rebuilt)


def _age(package: KernelPackage) -> tuple:
    return _order(package.release), version_key(package.version)


def _order(release: str) -> tuple:
    of_rpm = _rpmkernel.split(release)
    return evr_key(of_rpm[0]) if of_rpm else version_key(split_release(release)[0])
