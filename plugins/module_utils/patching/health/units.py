# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units that have to be active."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, List, Mapping, Sequence

from ...errors import UpkeepError
from .. import systemd
from .answer import Answer, since

_NAME = re.compile(r"[\w@%:.\\][\w@%:.\\-]*")
_GREEN = ("active", "reloading", "refreshing")


@dataclass(frozen=True)
class Unit:
    """A unit by its name, with its suffix (`.service` where none is given)."""

    name: str


def parse(entry: Any) -> Unit:
    """A unit's name. ValueError."""
    if not isinstance(entry, str) or not _NAME.fullmatch(entry):
        raise ValueError(f"has to be the name of a unit, not {entry!r}")
    return Unit(str(entry))


def look(checks: Sequence[Unit]) -> List[Answer]:
    """One question to systemd for all."""
    begun = time.monotonic()
    why = systemd.ABSENT
    if systemd.present():
        try:
            shown = systemd.show(
                [check.name for check in checks], ("Id", "LoadState", "ActiveState", "SubState", "Result")
            )
        except UpkeepError as error:
            why = error.message
        else:
            if len(shown) == len(checks):
                return [_judge(unit, since(begun)) for unit in shown]
            why = "systemd gave no answer for each"
    return [Answer(None, f"not_seen: {why}", since(begun)) for _check in checks]


def _judge(unit: Mapping[str, str], duration_ms: int) -> Answer:
    state, sub = unit.get("ActiveState", "unknown"), unit.get("SubState", "")
    if unit.get("LoadState") == "not-found":
        return Answer(False, "there is no such unit", duration_ms)
    why = f"{state} ({sub})" if sub and sub != state else state
    if state == "failed" and unit.get("Result"):
        why += f", {unit['Result']}"
    return Answer(state in _GREEN, why, duration_ms)
