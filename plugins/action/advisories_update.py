# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renew the advisory index on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import locks
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, display, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import fleet, load, registry, releases
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.fetch import Fetcher, Settings
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE, LOCK, Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Source

_CACHE = "state/advisories"
_FAILED = ("failed", "partial")


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "sources": {"type": "list", "elements": "str", "default": []},
        "releases": {"type": "list", "elements": "str", "default": []},
        "mirror": {"type": "str"},
        "max_age": {"type": "int", "default": 3600},
        "timeout": {"type": "int", "default": 30},
        "attempts": {"type": "int", "default": 4},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Choose, fetch, load; fail at the end if a source failed."""
        for name, least in (("max_age", 0), ("timeout", 1), ("attempts", 1)):
            if arguments[name] < least:
                raise UpkeepError("bad_parameter", f"{name} is {arguments[name]}: give at least {least}.")
        home = self.home()
        wanted = {releases.validated(each) for each in arguments["releases"]} or fleet.releases_seen(home)
        sources = _chosen(arguments["sources"], wanted)
        settings = Settings(
            mirror=arguments["mirror"] or None, timeout=arguments["timeout"], attempts=arguments["attempts"]
        )
        fetcher = Fetcher(home / _CACHE, settings, say=lambda line: say([line]))
        path = home / FILE
        if self.check:
            return _would(path, sources, wanted, fetcher, arguments["max_age"])
        with locks.exclusive(home / LOCK):
            outcomes = load.update(path, sources, wanted, fetcher, arguments["max_age"], lambda line: say([line]))
            told = _told(path, outcomes)
        failed = [each.source for each in outcomes if each.state in _FAILED]
        if failed:
            raise UpkeepError(
                "sources_failed",
                f"{len(failed)} of {len(outcomes)} advisory sources could not be renewed: {', '.join(failed)}. "
                "Why stands above; what was loaded of them before stays, and shows as stale when it is too old.",
                **told,
            )
        return {"changed": any(each.state == "loaded" for each in outcomes), **told}


def _chosen(names: list[str], wanted: set[str]) -> list[Source]:
    if names:
        return registry.named(names)
    if not wanted:
        display.warning(
            "no patch level is recorded, so no distribution's advisories are fetched: run the playbook patch.yml "
            "first, or name advisories_sources"
        )
    chosen = registry.speaking_of({releases.of_os(each) for each in wanted})
    unspoken = sorted(each for each in wanted if not any(releases.of_os(each) in source.os_ids for source in chosen))
    if unspoken:
        display.warning(f"no source speaks of {', '.join(unspoken)}: what is vulnerable there stays unknown")
    return chosen


def _would(path: Path, sources: list[Source], wanted: set[str], fetcher: Fetcher, max_age: int) -> dict[str, Any]:
    """What would be asked of whom; nobody is asked."""
    told = []
    index = Index.open(path) if path.exists() else None
    for source in sources:
        names = load.wanted_of(source, wanted)
        fresh = load.is_fresh(index, source, wanted, max_age, times.now()) if index else None
        files = [fetcher.where(feed) for feed in source.feeds(names)]
        told.append({"source": source.name, "state": "fresh" if fresh else "would_ask", "files": files})
        say(
            [
                f"{source.name}: {fresh}, would not ask again"
                if fresh
                else f"{source.name}: would ask {', '.join(files)}"
            ]
        )
    if index:
        index.close()
    return {"changed": False, "index": str(path), "sources": told}


def _told(path: Path, outcomes: list[load.Outcome]) -> dict[str, Any]:
    now = times.now()
    with Index.open(path) as index:
        states = {state.name: state for state in index.sources()}
        generation = index.generation
    sources = [
        {
            "source": each.source,
            "state": each.state,
            "rows": states[each.source].rows,
            "bytes": each.bytes,
            "fetched_at": states[each.source].fetched_at,
            "checked_at": states[each.source].checked_at,
            "generated_at": states[each.source].generated_at,
            "stale": states[each.source].is_stale(now),
            "error_code": each.error_code,
            "msg": each.msg if each.state in _FAILED else None,
        }
        for each in outcomes
    ]
    for each in sources:
        if each["stale"]:
            display.warning(f"the advisories of {each['source']} are stale: {_since(each)}")
    return {"index": str(path), "generation": generation, "sources": sources}


def _since(source: dict[str, Any]) -> str:
    if not source["fetched_at"]:
        return "they were never loaded"
    return f"last heard of {source['checked_at']}, made {source['generated_at'] or 'at a time that it does not say'}"
