# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a step of a patch run began, and how long it took."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict

from .. import times


def timed(work: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    """What `work` returns, with `started`, `finished` and `duration_ms`."""
    started, since = times.now(), time.monotonic()
    data = work()
    duration = round((time.monotonic() - since) * 1000)
    return {**data, "started": times.iso(started), "finished": times.iso(times.now()), "duration_ms": duration}
