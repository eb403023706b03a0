# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the handling of configuration files leaves beside the real ones, for somebody to look at."""

from __future__ import annotations

import os
from typing import List, Tuple

_MOST = 200_000  # entries of a folder tree: far above any /etc, and no more than a second


def leftovers(folder: str, suffixes: Tuple[str, ...]) -> List[str]:
    """The paths below `folder` that end in one of `suffixes`, sorted. What cannot be read is passed over."""
    found, seen = [], 0
    for place, folders, names in os.walk(folder):
        seen += len(folders) + len(names)
        if seen > _MOST:
            break
        found += [os.path.join(place, name) for name in names if name.endswith(suffixes)]
    return sorted(found)
