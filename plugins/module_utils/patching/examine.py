# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a host is now: its health checks, and where there is an earlier look, what is worse than then."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional

from . import compare, health, snapshot

_PAUSE = 2.0  # seconds between two looks
_CRASHES = 5.0  # seconds in which a unit that keeps crashing is started once more


def examine(
    spec: Optional[Mapping[str, Any]], patience: float = 0, before: Optional[Mapping[str, Any]] = None
) -> Dict[str, Any]:
    """A `snapshot.take()` with "checks" (`health.look`) and "problems" ([{"code","message"}]; empty: all is well).

    Looks again for as long as `patience` seconds while something is wrong: a service may need a while to start. Codes:
    health_red, not_seen; against `before` also unit_failed, unit_gone, port_closed, unit_crashing. Raises UpkeepError
    `invalid_health`.
    """
    named = health.named_ports(spec)
    deadline = time.monotonic() + patience
    checks = health.look(spec, patience)["checks"]
    while True:
        look = snapshot.take()
        worse = _worse(before, look, named) if before else []
        left = deadline - time.monotonic()
        if not worse or left <= 0:
            break
        time.sleep(min(_PAUSE, left))
    problems = [*health.problems(checks), *worse]
    if before and compare.crashing(before, look):
        time.sleep(_CRASHES)
        problems += _crashing(look, snapshot.take())
    return {"checks": checks, **look, "problems": problems}


def _worse(before: Mapping[str, Any], look: Mapping[str, Any], named: List[int]) -> List[Dict[str, str]]:
    found = list(compare.problems(before, look, named))
    excused = snapshot.excused({problem["unit"] for problem in found if problem["code"] == "unit_gone"})
    return [problem for problem in found if problem["code"] != "unit_gone" or problem["unit"] not in excused]


def _crashing(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> List[Dict[str, str]]:
    """A unit that crashed while what it needs was replaced has recovered; one that crashes on and on has not."""
    return [
        {
            "code": "unit_crashing",
            "unit": unit,
            "message": f"{unit} ends and is started again and again; journalctl -u {unit} says why.",
        }
        for unit in compare.crashing(earlier, later)
    ]
