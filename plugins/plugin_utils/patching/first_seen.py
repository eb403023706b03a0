# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When the recorded runs first saw an update pending on a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .. import observations, runs
from .facts import Key, key, when


def first_seen(
    home: Path, newest_first: Sequence[runs.Run], host: str, wanted: Iterable[Key]
) -> Mapping[Key, datetime]:
    """Each of `wanted` that a run saw, and when the first of the runs in a row did.

    Runs are read from the newest back until one saw none of them. One that did not look says nothing.
    """
    left, found = set(wanted), dict[Key, datetime]()
    for run in newest_first:
        if not left:
            break
        for seen in reversed(observations.recorded(home, run.run_id, host, "patch_level")):
            if seen.status != "ok" or not isinstance(seen.data, dict):
                continue
            moment = when(seen.finished)
            left &= {key(update) for update in seen.data.get("pending") or []}
            if moment is not None:
                found.update(dict.fromkeys(left, moment))
    return found
