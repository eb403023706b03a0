# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads while a run goes on: one line a host, phase and set. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..observation import Observation, Part
from .text import amount, duration, plural, printable, size

_LOUD = {"failed": "FAILED", "unknown": "UNKNOWN", "incomplete": "INCOMPLETE"}
_NAME, _PHASE, _SET, _STATUS, _REASON = 8, 12, 10, 10, 160


def lines(observation: Observation, host_width: int = _NAME) -> list[str]:
    """`  web1      backup        etc         ok          1,924 files, 4.1 MB, new archive in 0.4 s`, a line a part."""
    return [
        "  ".join(
            (
                "",
                printable(observation.host).ljust(max(host_width, _NAME)),
                observation.phase.ljust(_PHASE),
                printable(part.name or "").ljust(_SET),
                _LOUD.get(part.status, part.status).ljust(_STATUS),
                _told(observation.phase, part),
            )
        ).rstrip()
        for part in observation.outcomes()
    ]


def _told(phase: str, part: Part) -> str:
    if part.status in ("ok", "incomplete") and isinstance(part.data, dict):
        words = _WORDS.get(phase, lambda data, part: "")(part.data, part)
        return "; ".join(text for text in (_shortened(part.reason), words) if text)
    return _shortened(part.reason)


def _shortened(reason: str | None) -> str:
    text = printable(reason or "")
    return text if len(text) <= _REASON else text[: _REASON - 1] + "…"


def _backup(data: Mapping[str, Any], part: Part) -> str:
    if not part.changed and data.get("created"):
        return f"{_content(data)}, unchanged since {data['created']}"
    return f"{_content(data)}, new archive in {duration(part.duration_ms)}"


def _content(data: Mapping[str, Any]) -> str:
    return f"{amount(data.get('files'))} files, {size(data.get('bytes'))}"


def _restore(data: Mapping[str, Any], part: Part) -> str:
    verified, expected = data.get("files_verified"), data.get("files_expected")
    share = "" if verified == expected else f" of {amount(expected)}"
    content = f"{amount(verified)}{share} entries verified, {size(data.get('bytes_verified'))}"
    return f"{content} in {duration(part.duration_ms)}"


def _patch_level(data: Mapping[str, Any], part: Part) -> str:
    counts, reboot = data.get("counts") or {}, data.get("reboot") or {}
    stale = data.get("services_stale") or []
    told = [f"{amount(counts.get('pending'))} pending ({amount(counts.get('security'))} security)"]
    if counts.get("blocked"):
        told.append(f"{amount(counts['blocked'])} blocked")
    if reboot.get("required"):
        told.append("reboot due")
    if stale:
        told.append(f"{plural(len(stale), 'service')} to restart")
    if (data.get("metadata") or {}).get("stale"):
        told.append("package lists stale")
    return ", ".join(told)


def _audit(data: Mapping[str, Any], part: Part) -> str:
    engines = ", ".join(str(engine.get("name")) for engine in data.get("engines") or [])
    return f"{plural(len(data.get('findings') or []), 'finding')} by {engines}"


_WORDS = {"backup": _backup, "restore_test": _restore, "patch_level": _patch_level, "audit": _audit}
