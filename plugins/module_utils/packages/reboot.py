# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the host needs a reboot, and why."""

from __future__ import annotations

import os
from typing import List

from ._files import text_or_none
from .model import Kernel, Reboot

_FLAGS = ("run/reboot-required", "var/run/reboot-required")


def judge(kernel: Kernel, kernel_packages: bool, container: bool, root: str = "/") -> Reboot:
    """From the kernel and the distribution's own flag. `kernel_packages`: whether any kernel is installed at all.

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
    if reasons:
        return Reboot(True, reasons)
    return Reboot(None if kernel.reboot_needed is None and kernel_packages else False, [])


def _packages(path: str) -> List[str]:
    return sorted(set((text_or_none(path) or "").split()))
