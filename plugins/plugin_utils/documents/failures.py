# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run's failures as a person wants them: what went wrong on a host for one reason is told once. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# The audit of a host that was not seen fails for the reason for which it was not seen.
_OF_THE_PATCH_LEVEL = re.compile(r"^engine_unknown: \w+: the patch level is \w+: ")


def told_once(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    """(message, file to look into) for `run.failures` of a report, in their order."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for number, failure in enumerate(found):
        groups.setdefault((failure["host"], _root(failure)) if failure["host"] else number, []).append(failure)
    return [(_message(group), group[0]["file"]) for group in groups.values()]


def _message(group: Sequence[Mapping[str, Any]]) -> str:
    first = group[0]
    if len(group) == 1:
        return str(first["message"])
    phases = ", ".join(" ".join(filter(None, (failure["phase"], failure["set"]))) for failure in group)
    unseen = all(failure["status"] == "unknown" for failure in group)
    return f"host {first['host']} {'was not observed' if unseen else 'failed'} in {phases}: {_root(first)}"


def _root(failure: Mapping[str, Any]) -> str:
    return _OF_THE_PATCH_LEVEL.sub("", str(failure["reason"]))
