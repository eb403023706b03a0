# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sources into the index: each is asked, and replaced whole or left as it was.

A source that fails says so in the index and keeps its rows; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from ..documents.text import amount, duration, size
from . import releases as release_keys
from .fetch import Fetched, Fetcher
from .index import Index, SourceState, writing
from .model import Row, Source
from .sources._reading import reading

_LARGE = 5_000_000  # bytes that take a while to read


@dataclass(frozen=True)
class Outcome:
    """What became of a source.

    state: `loaded`, `unchanged` (the upstream has nothing new), `fresh` (asked recently, not asked again), `partial`
        (what matters is current, an optional file could not be renewed), `failed`.
    bytes: of its files as they came.
    """

    source: str
    state: str
    rows: int
    bytes: int
    error_code: str | None = None
    msg: str | None = None

    def line(self) -> str:
        """For the screen: `debian: 71.2 MB, not modified`."""
        told = {
            "loaded": f"{size(self.bytes)}, {amount(self.rows)} rows loaded",
            "unchanged": f"{size(self.bytes)}, not modified",
            "fresh": f"{self.msg}, not asked again",
            "partial": f"{size(self.bytes)}, {amount(self.rows)} rows, but not all: FAILED {self.msg}",
        }
        # The sentence of a failure begins with the source.
        return f"{self.source}: {told[self.state]}" if self.state in told else f"FAILED {self.msg}"


def wanted_of(source: Source, releases: Iterable[str]) -> tuple[str, ...]:
    """Those of the releases that the source speaks of; empty means all of its releases."""
    return tuple(sorted(each for each in set(releases) if release_keys.of_os(each) in source.os_ids))


def is_fresh(index: Index, source: Source, releases: Iterable[str], max_age: int, now: datetime) -> str | None:
    """`asked 12 min ago`, where the source was asked at most `max_age` seconds ago for at least these releases."""
    state = _state(index, source)
    is_well = state is not None and state.error is None and state.lacking is None
    age = state.age(now) if state is not None and is_well else None
    if age is None or age > max_age:
        return None
    loaded = index.loaded(source.name)
    covered, wanted = set(loaded.get("releases") or ()), set(wanted_of(source, releases))
    if loaded.get("collection") != VERSION or (covered and (not wanted or wanted - covered)):
        return None
    return f"asked {duration(max(age, 0) * 1000)} ago"


def update(
    path: Path,
    sources: Sequence[Source],
    releases: Iterable[str],
    fetcher: Fetcher,
    max_age: int,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Bring each source in the index at `path` up to date, a line said for each.

    Raises UpkeepError `index_damaged`, `index_unwritable`; what goes wrong with a source is its outcome.
    """
    outcomes = []
    wanted = set(releases)
    with writing(path), _opened(path, say) as index:
        for source in sources:
            outcome = _updated(index, source, wanted, fetcher, max_age, say)
            say(outcome.line())
            outcomes.append(outcome)
    return outcomes


def _opened(path: Path, say: Callable[[str], None]) -> Index:
    try:
        return Index.open(path, create=True)
    except UpkeepError as error:
        if error.code != "index_version":
            raise
        say(f"The advisory index {path} is of another version and is built anew.")
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Index.open(path, create=True)


def _updated(
    index: Index, source: Source, releases: set[str], fetcher: Fetcher, max_age: int, say: Callable[[str], None]
) -> Outcome:
    name, wanted = source.name, wanted_of(source, releases)
    if told := is_fresh(index, source, releases, max_age, times.now()):
        return Outcome(name, "fresh", _rows(index, source), 0, msg=told)
    try:
        fetched, trouble = _fetched(source, wanted, fetcher)
        came = sum(each.size for each in fetched)
        facts = {
            "collection": VERSION,  # another one may read the same files otherwise
            "releases": list(wanted),
            "files": {each.feed.path: each.sha256 for each in fetched},
        }
        lacking = trouble.message if trouble else None
        if index.loaded(name) == facts:
            index.confirmed(name, _heard(fetched), lacking)
            outcome = Outcome(name, "unchanged", _rows(index, source), came)
        else:
            if came > _LARGE:
                say(f"{name}: reading {size(came)}")
            rows = _replace(index, source, wanted, fetched, fetcher, facts, lacking)
            outcome = Outcome(name, "loaded", rows, came)
        return replace(outcome, state="partial", error_code=trouble.code, msg=lacking) if trouble else outcome
    except UpkeepError as error:
        index.failed(name, source.title, source.os_ids, source.max_age, error.message)
        return Outcome(name, "failed", _rows(index, source), 0, error.code, error.message)


def _fetched(source: Source, wanted: tuple[str, ...], fetcher: Fetcher) -> tuple[list[Fetched], UpkeepError | None]:
    """The source's files, an optional one as it last came where it does not come now; and why it does not."""
    fetched, trouble = [], None
    for feed in source.feeds(wanted):
        try:
            fetched.append(fetcher.fetch(source.name, feed))
        except UpkeepError as error:
            if not feed.optional:
                raise
            trouble = error
            last = fetcher.last(feed)
            fetched += [last] if last else []
    return fetched, trouble


def _replace(
    index: Index,
    source: Source,
    wanted: tuple[str, ...],
    fetched: Sequence[Fetched],
    fetcher: Fetcher,
    facts: dict[str, Any],
    lacking: str | None,
) -> int:
    """How many rows there are now."""
    with index.replacing(source.name, source.title, source.os_ids, source.max_age) as load:
        editions = []
        for each in fetched:
            load.generated_at = None
            try:
                with reading(source.name, each.file):
                    load.add(_of(source.parse(each.feed, each.file), wanted))
            except UpkeepError:
                fetcher.forget(each.feed)
                raise
            made = load.generated_at or (each.modified if each.feed.dated else None)
            editions += [made] if made and not each.feed.optional else []
        # Notices alone would leave a distribution without a vulnerability.
        if not (load.statements if source.os_ids else load.rows):
            of = f" of {', '.join(wanted)}" if wanted else ""
            raise UpkeepError(
                "feed_empty",
                f"{source.name}: its files say nothing{of}, which cannot be. What was loaded before stays; look at "
                "the files, and whether the source still speaks of that release.",
                source=source.name,
            )
        load.feeds, load.lacking = facts, lacking
        load.checked_at = _heard(fetched)
        load.generated_at = min(editions, default=None)
        return load.rows


def _heard(fetched: Sequence[Fetched]) -> str:
    """When the upstream was last heard of, by the oldest of what the source cannot do without."""
    return min(each.heard for each in fetched if not each.feed.optional)


def _of(rows: Iterable[Row], wanted: tuple[str, ...]) -> Iterator[Row]:
    if not wanted:
        return iter(rows)
    releases = {*wanted, None}
    return (row for row in rows if getattr(row, "release", None) in releases)


def _state(index: Index, source: Source) -> SourceState | None:
    return next((state for state in index.sources() if state.name == source.name), None)


def _rows(index: Index, source: Source) -> int:
    state = _state(index, source)
    return state.rows if state else 0
