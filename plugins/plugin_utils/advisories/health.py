# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what the index says of a host can be relied on today. Pure, with the clock given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from . import releases
from .index import SourceState

BUILD = "ansible-playbook playbooks/advisories.yml"
NEVER_BUILT = f"no advisory index was built yet, so nobody looked for vulnerabilities: run `{BUILD}`, or import one"
ANEW = f"remove it and run `{BUILD}`, or import one"
# What it says is shown and decides nothing.
_DECIDES_NOTHING = {"epss"}


def problems(sources: Iterable[SourceState], release: str | None, now: datetime) -> list[str]:
    """Why the index cannot speak for a host of this release; a sentence each, none where it can."""
    relevant = [each for each in sources if _matters(each, release)]
    told = [text for each in relevant if (text := _problem(each, now))]
    if release and not any(each.os_ids for each in relevant):
        told.append(f"the index has no source that speaks of {releases.of_os(release)}: run `{BUILD}`")
    if not any(not each.os_ids for each in relevant):
        told.append(f"the index has no source that says what is known to be exploited: run `{BUILD}`")
    return told


def stale_lists(level: Mapping[str, Any]) -> list[str]:
    """That a host does not know what its repositories have: what is pending cannot be told."""
    metadata = level.get("metadata") or {}
    refreshed = metadata.get("refreshed_at") or "never"
    return [f"its package lists are stale (refreshed {refreshed})"] if metadata.get("stale") else []


def state(sources: Iterable[SourceState], now: datetime) -> list[dict[str, Any]]:
    """The sources as a report shows them: the fields of a `SourceState`, and whether it is `stale`."""
    return [{**asdict(each), "os_ids": list(each.os_ids), "stale": each.is_stale(now)} for each in sources]


def restored(state: Iterable[Mapping[str, Any]]) -> list[SourceState]:
    """The sources of a `state`."""
    names = [field.name for field in fields(SourceState)]
    known: list[dict[str, Any]] = [{name: each.get(name) for name in names} for each in state]
    return [SourceState(**{**each, "os_ids": tuple(each["os_ids"])}) for each in known]


def _matters(source: SourceState, release: str | None) -> bool:
    if not source.os_ids:
        return source.name not in _DECIDES_NOTHING
    return release is not None and releases.of_os(release) in source.os_ids


def _problem(source: SourceState, now: datetime) -> str | None:
    if source.fetched_at is None:
        return f"the source {source.name} was never fetched: {source.error or 'no reason is known'}"
    if not source.is_stale(now):
        return None  # an attempt that failed since is shown, and what is there is still current
    made = f", and it was made {source.generated_at}" if source.generated_at else ""
    why = f": {source.error}" if source.error else ""
    return f"the source {source.name} is stale: last heard of {source.checked_at or source.fetched_at}{made}{why}"
