# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of one host: what each phase saw of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..observation import CONTACT, worst
from .gather import Seen, shown

_PACKAGE = (
    "name", "arch", "installed", "candidate", "security", "severity", "severity_source", "cves", "advisories",
    "blocked_by", "blocked_detail", "new_dependency",
)  # fmt: skip
# What an engine says at length stands once, in `vulnerabilities`.
_AT_LENGTH = {"index", "deferred", "remembered"}
_COUNTS = ("installed", "pending", "security", "blocked")


def host_entry(name: str, asset: str, phases: Mapping[str, Seen], now: datetime) -> dict[str, Any]:
    """`hosts[]` of the report. Figures that are not known are null, never 0.

    `asset` is for want of an observation that says it.
    """
    own = {phase: seen for phase, seen in phases.items() if not seen.carried and seen.status is not None}
    told = own or {phase: seen for phase, seen in phases.items() if seen.status is not None}
    status = worst(seen.status for seen in told.values() if seen.status)
    patch = patch_section(phases["patch_level"], now)
    return {
        "name": name,
        "asset": next((seen.observation.asset for seen in phases.values() if seen.observation), asset),
        "status": status,
        "reason": next((seen.reason for seen in told.values() if seen.status == status and seen.reason), None),
        "observed": _observed(own, phases),
        "unreachable": _unreachable(own),
        "clock_skew_s": _clock_skew(told),
        "phases": {phase: shown(seen, now) for phase, seen in phases.items()},
        "os": _of_data(phases["patch_level"], "host"),
        "patch": patch,
        "backup": sets_section(phases["backup"], now),
        "restore": sets_section(phases["restore_test"], now),
        "audit": audit_section(phases["audit"], now),
    }


def _observed(own: Mapping[str, Seen], phases: Mapping[str, Seen]) -> bool:
    """Seen in this run: no expected phase missing or unknown. Where the run did not look: the last look went well."""
    looked = [seen.status for seen in own.values() if seen.status != "skipped"]
    if looked:
        return "unknown" not in looked
    return any(seen.status == "ok" for phase, seen in phases.items() if seen.carried and phase in CONTACT)


def _unreachable(own: Mapping[str, Seen]) -> bool:
    return any("unreachable: " in (seen.reason or "") for seen in own.values() if seen.status == "unknown")


def _clock_skew(told: Mapping[str, Seen]) -> int | None:
    """The worst that a phase noticed; null where none could tell."""
    known = [seen.observation.clock_skew_s for seen in told.values() if seen.observation]
    return max((skew for skew in known if skew is not None), key=abs, default=None)


def _of_data(seen: Seen, key: str) -> Any:
    data = seen.observation.data if seen.observation else None
    return data.get(key) if isinstance(data, dict) else None


def patch_section(seen: Seen, now: datetime) -> dict[str, Any]:
    """The counts of the patch level and what a person acts on; `packages` is what is pending, security first."""
    data = seen.observation.data if seen.observation and isinstance(seen.observation.data, dict) else {}
    counts, reboot, metadata = data.get("counts") or {}, data.get("reboot") or {}, data.get("metadata") or {}
    health = data.get("health") or {}
    repositories = metadata.get("repositories")
    packages = [{key: package.get(key) for key in _PACKAGE} for package in data.get("pending") or []]
    return {
        **shown(seen, now),
        **{count: counts.get(count) for count in _COUNTS},
        "manager": data.get("manager"),
        "reboot_required": reboot.get("required"),
        "reboot_reasons": reboot.get("reasons") or [],
        "kernel": data.get("kernel"),
        "services_stale": _names(data.get("services_stale"), "unit"),
        "metadata_stale": metadata.get("stale"),
        "refreshed_at": metadata.get("refreshed_at"),
        "security_repository": None
        if repositories is None or metadata.get("tells_security") is False
        else any(each.get("security") and each.get("enabled") for each in repositories),
        "metadata_problems": metadata.get("problems") or [],
        "interrupted": health.get("interrupted"),
        "half_configured": health.get("half_configured"),
        "unmet_dependencies": health.get("unmet_dependencies") or [],
        "locked_by": health.get("locked_by"),
        "boot_full": health.get("boot_full"),
        "removals": _names(data.get("removals"), "name"),
        "packages": sorted(
            packages, key=lambda package: (not package["security"], str(package["name"]), str(package["arch"]))
        ),
    }


def _names(found: Sequence[Mapping[str, Any]] | None, key: str) -> list[Any] | None:
    """None where nobody looked, which is not the same as none found."""
    return None if found is None else [each.get(key) for each in found]


def sets_section(seen: Seen, now: datetime) -> dict[str, Any]:
    """A phase with sets: each set's outcome."""
    parts = seen.observation.outcomes() if seen.observation else []
    return {
        **shown(seen, now),
        "sets": [
            {"name": part.name, "status": part.status, "reason": part.reason, "changed": part.changed} for part in parts
        ],
    }


def audit_section(seen: Seen, now: datetime) -> dict[str, Any]:
    """The engines and their health, and how much they found: null, not 0, where none of them could look."""
    engines = _of_data(seen, "engines")
    found = _of_data(seen, "findings") if any(engine.get("status") == "ok" for engine in engines or []) else None
    told = [{key: value for key, value in engine.items() if key not in _AT_LENGTH} for engine in engines or []]
    return {**shown(seen, now), "engines": told, "findings": None if found is None else len(found)}
