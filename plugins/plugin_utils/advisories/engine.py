# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit engine `advisories`: a host's patch level against the index under `upkeep_home`."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..findings import end_of_life
from . import findings, health, memo
from .host import HostMatch, match_host
from .index import FILE, Index
from .match import Matcher

NAME = "advisories"


@contextlib.contextmanager
def opened(home: Path) -> Iterator[tuple[Index, Matcher]]:
    """The index under `home`, and a matcher that shares what it judges with other processes.

    Raises UpkeepError `index_missing`, `index_damaged`, `index_version`.
    """
    with Index.open(home / FILE) as index:
        remembered = memo.Memo(home / memo.FILE, memo.basis(index))
        try:
            yield index, Matcher(index, remembered)
        finally:
            remembered.close()


def blank(status: str = "unknown", reason: str | None = None, **more: Any) -> dict[str, Any]:
    """The engine, before it has looked or where it cannot."""
    told = {"name": NAME, "source": findings.SOURCE, "status": status, "reason": reason, "findings": 0}
    return {**told, "index": None, "deferred": [], **more}


def is_built(home: Path) -> bool:
    """Whether there is an index at all; one that cannot be read is one."""
    return (home / FILE).is_file()


def look(
    home: Path, level: Mapping[str, Any], project: str, asset: str, seen: str, now: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(engine, findings). What cannot be relied on makes the engine `unknown`; what was found is told all the same."""
    if not is_built(home):
        return blank("skipped", health.NEVER_BUILT), []
    try:
        with opened(home) as (index, matcher):
            sources = index.sources()
            state = {"generation": index.generation, "sources": health.state(sources, now)}
            match = match_host(level, matcher)
    except UpkeepError as error:
        return blank(reason=f"{error.code}: {error.message}"), []
    except sqlite3.Error as error:
        return blank(reason=f"index_damaged: {home / FILE} cannot be read ({error}): {health.ANEW}"), []
    found = findings.of_match(level, match, project, asset, seen)
    ended = end_of_life(level, seen)
    problems = [
        *match.problems,
        *health.problems(sources, match.release, now),
        *health.stale_lists(level),
        *([ended] if ended else []),
    ]
    generated = max((each.fetched_at for each in sources if each.fetched_at), default=None)
    engine = blank(
        "unknown" if problems else "ok",
        "; ".join(dict.fromkeys(problems)) or None,
        findings=len(found),
        index={"generated": generated, **state},
        deferred=findings.deferred(match),
        release=match.release,
    )
    return engine, found


def matched(home: Path, level: Mapping[str, Any]) -> HostMatch | None:
    """What the index says of a host; None where there is none, or none that can be read."""
    if not is_built(home):
        return None
    try:
        with opened(home) as (_index, matcher):
            return match_host(level, matcher)
    except (UpkeepError, sqlite3.Error):
        return None
