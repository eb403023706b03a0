# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RPO and RTO of a drill against their targets: met, missed, or not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By `scope.mode`: reading an archive takes less time than restoring it.
_RESTORES = "extract"


def rpo_met(document: Mapping[str, Any]) -> bool | None:
    """Whether the archive was young enough at the drill. None without a target, or where its age is not known."""
    age, target = _number(document.get("rpo_ms")), _number(document.get("rpo_target_ms"))
    return None if age is None or target is None else age <= target


def rto_met(document: Mapping[str, Any]) -> bool | None:
    """Whether all of it was restored in time.

    None without a target, where the drill did not succeed, and where less than a whole extraction kept within it. Less
    than that and too slow already is missed all the same.
    """
    took, target = _number(document.get("duration_ms")), _number(document.get("rto_target_ms"))
    if document.get("status") != "ok" or took is None or target is None:
        return None
    if took > target:
        return False
    return True if _is_whole(document.get("scope") or {}) else None


def _is_whole(scope: Mapping[str, Any]) -> bool:
    return scope.get("mode") == _RESTORES and not scope.get("paths") and not scope.get("sample")


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
