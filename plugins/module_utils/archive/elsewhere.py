# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which other archive of a history holds what the chosen one does not."""

from __future__ import annotations

import contextlib
from typing import Dict, List

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import history, manifest
from .model import shown
from .scope import under

SEARCHED = 10  # manifests that are read through for a path


def told(archive: str, missing: List[bytes]) -> str:
    """A sentence for a restore of paths that its archive does not hold; empty where no other holds them."""
    try:
        found = holding(archive, missing)
    except UpkeepError:  # that they are missing is what must be said
        return ""
    times = [f"{created}, which has {shown(path)}" for path, created in found.items()]
    return f" Give at: {'; or '.join(times[:10])}." if times else ""


def holding(archive: str, paths: List[bytes]) -> Dict[bytes, str]:
    """Path -> when the newest other archive of the same dest was created that holds it, or something below it.

    Raises UpkeepError `history_unreadable`.
    """
    found: Dict[bytes, str] = {}
    others = [one for one in history.listed(history.dest_of(archive)) if one["archive"] != archive]
    for one in others[:SEARCHED]:
        wanted = [path for path in paths if path not in found]
        if not wanted:
            break
        with contextlib.suppress(UpkeepError, OSError):
            for entry in manifest.load(one["manifest"]).entries():
                for path in wanted:
                    if entry.offset is not None and path not in found and under(entry.path, path):
                        found[path] = one["created"]
    return found
