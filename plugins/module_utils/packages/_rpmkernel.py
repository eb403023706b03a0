# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel releases (`uname -r`) of rpm distributions: number and flavour."""

from __future__ import annotations

import re
from typing import Optional, Tuple

# 5.14.0-427.13.1.el9_4.x86_64, 6.8.5-301.fc40.x86_64+debug, 5.15.0-200.131.27.el9uek.x86_64, 6.1.112-124.190.amzn2023.…
_RED_HAT = re.compile(r"^(\d[\w.~^]*-[\w.~^]+)\.(x86_64|aarch64|ppc64le|s390x|riscv64|i686|noarch)(\+[\w.+-]+)?$")
# 6.4.0-150600.23.7-default; where the release is one number (6.11.5-1-default), it is written as Debian's are.
_SUSE = re.compile(r"^(\d+(?:\.\d+)+-\d+(?:\.\d+)+(?:\.g[0-9a-f]+)?)-(\w[\w-]*)$")
# Kernels that are built apart from the distribution's own say so in their release: Oracle's, and those in real time.
_APART = re.compile(r"(uek|\.rt)\d*")


def split(release: str) -> Optional[Tuple[str, str]]:
    """A release as number and flavour, None where it is not of an rpm distribution's form."""
    match = _RED_HAT.match(release)
    if match:
        apart = _APART.search(match.group(1))
        return match.group(1), (apart.group(1).strip(".") if apart else "") + match.group(2) + (match.group(3) or "")
    match = _SUSE.match(release)
    return (match.group(1), match.group(2)) if match else None
