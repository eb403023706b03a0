# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a pending update: whether it is a security update, how severe, and since when it is published. Pure.

Severity: what is known to be exploited (CISA KEV) is critical; else the package manager's word; else the advisory
index's. Published: the update's own date; else its advisory's; else when a recorded run first saw it pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.proven.upkeep.plugins.module_utils import times

from ..advisories import severity as ladder
from ..advisories.findings import fixed_by
from ..advisories.host import HostMatch
from ..advisories.match import Vulnerability

Update = Mapping[str, Any]
# What tells an update from another one: name, architecture, candidate.
Key = tuple[str, str, str]
FirstSeen = Callable[[Iterable[Key]], Mapping[Key, datetime]]


class Known(NamedTuple):
    """`published_by` says who tells when it was published. `named`: its advisories, else its CVEs."""

    security: bool
    severity: str
    severity_source: str | None
    named: tuple[str, ...]
    published: datetime | None
    published_by: str | None


def key(update: Update) -> Key:
    """What the update is known by from run to run."""
    return str(update["name"]), str(update.get("arch")), str(update.get("candidate"))


def source(update: Update) -> str:
    """The name of the source package."""
    return str(update.get("source_name") or update["name"])


def marks_security(level: Mapping[str, Any]) -> bool:
    """Whether the distribution's repositories say which updates are security updates."""
    return (level.get("metadata") or {}).get("tells_security") is not False


class Facts:
    """What is known of a host's updates; what the index says of a source is asked once a version."""

    def __init__(self, level: Mapping[str, Any], match: HostMatch | None) -> None:
        self._marked = marks_security(level)
        self._match = match
        self._fixes: dict[tuple[Any, ...], list[Vulnerability]] = {}

    def of(self, update: Update) -> Known:
        """All but when it was first seen, which is asked for only where that decides."""
        fixes = self._fixed(update)
        severity, said_by = self._severity(update, fixes)
        published, by = self._published(update, fixes)
        named = update.get("advisories") or sorted({one.advisory for one in fixes if one.advisory})
        named = named or update.get("cves") or sorted({one.id for one in fixes})
        return Known(
            bool(update.get("security")) if self._marked else bool(fixes),
            severity,
            said_by,
            tuple(map(str, named)),
            published,
            by,
        )

    def _fixed(self, update: Update) -> list[Vulnerability]:
        if self._match is None or not update.get("installed"):
            return []
        asked = (source(update), update.get("source_version"), update.get("candidate"))
        if asked not in self._fixes:
            self._fixes[asked] = fixed_by(self._match, asked[0], [update])
        return self._fixes[asked]

    @staticmethod
    def _severity(update: Update, fixes: Iterable[Vulnerability]) -> tuple[str, str | None]:
        if any(one.kev for one in fixes):
            return "critical", ladder.EXPLOITED
        own = update.get("severity")
        if own in ladder.SEVERITIES:
            return str(own), update.get("severity_source")
        return ladder.worst((one.severity, one.severity_source) for one in fixes)

    @staticmethod
    def _published(update: Update, fixes: Iterable[Vulnerability]) -> tuple[datetime | None, str | None]:
        own = when(update.get("published_at"))
        if own:
            return own, "its repository"
        told = [(date, str(one.advisory)) for one in fixes if one.advisory and (date := when(one.advisory_published))]
        return max(told, default=(None, None))


def when(text: Any) -> datetime | None:
    """The time that a document says, None where it says none."""
    try:
        return times.parse(text)
    except (TypeError, ValueError):
        return None
