# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what the index says of a host can be relied on today. Pure, with the clock given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from . import releases
from .index import SourceState

BUILD = "ansible-playbook playbooks/advisories.yml"
NEVER_BUILT = f"no advisory index was built yet, so nobody looked for vulnerabilities: run `{BUILD}`, or import one"
# What it says is shown and decides nothing.
_DECIDES_NOTHING = {"epss"}


def problems(sources: Iterable[SourceState], level: Mapping[str, Any], now: datetime) -> list[str]:
    """Why the index cannot speak for a host with this patch level; a sentence each, none where it can."""
    host = level.get("host") or {}
    release = releases.key(host.get("os_id"), host.get("os_version"))
    relevant = [each for each in sources if _matters(each, release)]
    told = [text for each in relevant if (text := _problem(each, now))]
    if release and not any(each.os_ids for each in relevant):
        told.append(f"the index has no source that speaks of {releases.of_os(release)}: run `{BUILD}`")
    if not any(not each.os_ids for each in relevant):
        told.append(f"the index has no source that says what is known to be exploited: run `{BUILD}`")
    metadata = level.get("metadata") or {}
    if metadata.get("stale"):
        told.append(f"its package lists are stale (refreshed {metadata.get('refreshed_at') or 'never'})")
    return told


def state(sources: Iterable[SourceState], now: datetime) -> list[dict[str, Any]]:
    """The sources as a report shows them: `{name, title, fetched_at, generated_at, rows, stale, error}`."""
    return [
        {
            "name": each.name, "title": each.title, "fetched_at": each.fetched_at, "checked_at": each.checked_at,
            "generated_at": each.generated_at, "rows": each.rows, "stale": each.is_stale(now), "error": each.error,
        }
        for each in sources
    ]  # fmt: skip


def _matters(source: SourceState, release: str | None) -> bool:
    if not source.os_ids:
        return source.name not in _DECIDES_NOTHING
    return release is not None and releases.of_os(release) in source.os_ids


def _problem(source: SourceState, now: datetime) -> str | None:
    if source.fetched_at is None:
        return f"the source {source.name} was never fetched: {source.error or 'no reason is known'}"
    if source.error:
        return f"the source {source.name} could not be renewed since {source.fetched_at}: {source.error}"
    if source.is_stale(now):
        return f"the source {source.name} is stale: it was last heard of {source.checked_at or source.fetched_at}"
    return None
