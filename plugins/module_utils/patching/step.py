# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules of a patch run have in common: root only, timed, and the states so far noted on the host."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from .. import times
from . import folder


def timed(
    work: Callable[[], Dict[str, Any]],
    patch_id: Optional[str] = None,
    states: Optional[Sequence[Mapping[str, Any]]] = None,
    check_mode: bool = False,
) -> Dict[str, Any]:
    """What `work` returns, with `started`, `finished` and `duration_ms`. The states are noted before it begins.

    Raises what `work` raises, and UpkeepError `needs_root`, or those of the run's folder.
    """
    folder.needs_root()
    if patch_id and states is not None and not check_mode:
        folder.note(patch_id, states)
    started, begun = times.now(), time.monotonic()
    data = work()
    return {
        **data,
        "started": times.iso(started),
        "finished": times.iso(times.now()),
        "duration_ms": round((time.monotonic() - begun) * 1000),
    }
