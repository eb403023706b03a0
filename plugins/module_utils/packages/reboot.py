# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the host needs a reboot, and why."""

from __future__ import annotations

import os
from typing import List, Optional, Sequence

from ._files import text_or_none
from .model import CoreUpdate, Kernel, Reboot

# Debian and its kin; SUSE.
_FLAGS = ("run/reboot-required", "var/run/reboot-required", "run/reboot-needed")


def judge(
    kernel: Kernel, kernel_packages: bool, container: bool, root: str = "/", core: Sequence[CoreUpdate] = ()
) -> Reboot:
    """From the kernel and the distribution's own flag. `kernel_packages`: whether any kernel is installed at all.

    `core` are packages whose new version is used everywhere only after a reboot.

    The answer is None in a container, and where kernels are installed but the running one is none of them.
    """
    if container:
        return Reboot(None, [])
    reasons: List[str] = []
    if kernel.reboot_needed and kernel.newest_installed == kernel.running:
        reasons.append(f"The kernel {kernel.running} runs an older build than the one that is installed.")
    elif kernel.reboot_needed:
        reasons.append(f"The kernel {kernel.running} runs, {kernel.newest_installed} is installed.")
    for flag in _FLAGS:
        path = os.path.join(root, flag)
        if os.path.exists(path):
            names = _packages(path + ".pkgs")
            reasons.append(f"The distribution asks for it (/{flag})" + (f": {', '.join(names)}." if names else "."))
            break
    booted = boot_time(root)
    for update in core:
        if booted is not None and update.installed_at > booted:
            reasons.append(f"{update.name} {update.version} was installed after the start of the system.")
    if reasons:
        return Reboot(True, reasons)
    return Reboot(None if kernel.reboot_needed is None and kernel_packages else False, [])


def boot_time(root: str = "/") -> Optional[int]:
    """When the system started, in seconds since the epoch, as /proc/stat says it."""
    for line in (text_or_none(os.path.join(root, "proc/stat")) or "").splitlines():
        if line.startswith("btime ") and line[6:].strip().isdecimal():
            return int(line[6:])
    return None


def _packages(path: str) -> List[str]:
    return sorted(set((text_or_none(path) or "").split()))
