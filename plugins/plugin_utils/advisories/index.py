# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The advisory index: one SQLite file on the controller, carried as it is into an air gap.

A source is replaced in one transaction: readers see its old rows or its new ones, and a load that fails or is killed
leaves the old ones. `generation` changes with every load, so that what was derived from the index can be thrown away.

Notices that stand apart from their statements (DSA, DLA, USN) are joined to them as the load ends.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _sql
from .model import Edition, Exploited, Notice, Row, Score, Statement

# Goes up with every change of a table. An index of another version is built anew, not converted.
VERSION = 1
FILE = "state/advisories.db"
LOCK = "state/advisories.lock"  # held by who changes the index or its cache
_WAIT = 30.0  # seconds for another process's transaction
# No source is silent for so long: an edition older than this comes from a mirror or a copy that nobody renews.
_SILENCE = timedelta(days=30)
_DAY = 86400.0
_TABLES = {Statement: "statement", Notice: "notice", Exploited: "exploited", Score: "score"}
_AT_ONCE = 500  # values in one query, below SQLite's limit on parameters


@dataclass(frozen=True)
class SourceState:
    """How far a source can be trusted. `error` is why the last attempt failed, None where it went well.

    lacking: what could not be renewed of its optional files and why: less is known, nothing false.
    fetched_at: when its rows came; checked_at: when the upstream last said that they are current; generated_at: the
    upstream's own time.
    """

    name: str
    title: str
    os_ids: tuple[str, ...]
    max_age: int
    fetched_at: str | None
    generated_at: str | None
    checked_at: str | None
    rows: int
    error: str | None
    lacking: str | None = None

    def age(self, now: Any) -> float | None:
        """Seconds since the upstream was last heard of."""
        heard = self.checked_at or self.fetched_at
        return (now - times.parse(heard)).total_seconds() if heard else None

    def is_stale(self, now: Any) -> bool:
        """Never fetched, longer ago than `max_age`, or an edition that the upstream has long replaced."""
        age = self.age(now)
        # Heard of tomorrow: some clock was wrong, and until when this is current nobody knows.
        return age is None or not -_DAY <= age <= self.max_age or self._is_abandoned(now)

    def _is_abandoned(self, now: datetime) -> bool:
        return self.generated_at is not None and now - times.parse(self.generated_at) > _SILENCE


class Index:
    """An open index. A forked process opens its own."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, create: bool = False) -> Index:
        """Raises UpkeepError `index_missing`, `index_damaged`, `index_version`."""
        if not create and not path.is_file():
            raise UpkeepError(
                "index_missing",
                f"There is no advisory index at {path}: run the playbook advisories.yml first, or import one.",
                path=str(path),
            )
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if create and not path.exists():
            path.touch(mode=0o600)
        connection = None
        try:
            connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            index = cls(path, connection)
            index._prepare(create)
        except sqlite3.DatabaseError as error:
            if connection is not None:
                connection.close()
            raise UpkeepError(
                "index_damaged",
                f"The advisory index {path} cannot be read ({error}): remove it and run the playbook advisories.yml.",
                path=str(path),
            )
        return index

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def generation(self) -> str:
        """Another one after every load."""
        return self._meta("generation") or "0"

    def sources(self) -> list[SourceState]:
        """Every source that was ever tried, by name."""
        rows = self._connection.execute(
            "SELECT name, title, os_ids, max_age, fetched_at, generated_at, checked_at, rows, error, "
            "lacking FROM source "
            "ORDER BY name"
        )
        return [SourceState(name, title, tuple(json.loads(os_ids)), *rest) for name, title, os_ids, *rest in rows]

    def releases(self) -> set[str]:
        """The releases of which something is said."""
        return {release for (release,) in self._connection.execute("SELECT DISTINCT release FROM statement")}

    def statements(self, release: str, package: str, kind: str = "source") -> list[Statement]:
        """All that is said of a package."""
        names = ", ".join(field.name for field in fields(Statement))
        rows = self._connection.execute(
            f"SELECT {names} FROM statement WHERE release = ? AND package = ? AND kind = ?", (release, package, kind)
        )
        return [Statement(*row) for row in rows]

    def notices(self, release: str, package: str) -> list[Notice]:
        """The advisories that stand apart from their statements."""
        rows = self._connection.execute(
            "SELECT advisory, published, release, package, fixed, vulnerabilities FROM notice "
            "WHERE release = ? AND package = ? ORDER BY published",
            (release, package),
        )
        return [
            Notice(advisory, published, release, package, fixed, tuple(json.loads(vulnerabilities)))
            for advisory, published, release, package, fixed, vulnerabilities in rows
        ]

    def exploited(self, vulnerabilities: Iterable[str]) -> dict[str, Exploited]:
        """Those of them that are known to be exploited."""
        query = "SELECT vulnerability, added, due, ransomware, title FROM exploited WHERE vulnerability IN"
        found = (
            Exploited(name, added, due, bool(ransomware), title)
            for name, added, due, ransomware, title in self._each(query, vulnerabilities)
        )
        return {each.vulnerability: each for each in found}

    def scores(self, vulnerabilities: Iterable[str]) -> dict[str, Score]:
        """The scores of those of them that have one."""
        query = "SELECT vulnerability, epss, percentile, scored FROM score WHERE vulnerability IN"
        return {row[0]: Score(*row) for row in self._each(query, vulnerabilities)}

    def first_published(self, vulnerabilities: Iterable[str]) -> dict[str, str]:
        """When each of them was first spoken of, for those of which a source gives a date."""
        query = "SELECT vulnerability, first_published FROM known WHERE vulnerability IN"
        return dict(self._each(query, vulnerabilities))

    def loaded(self, source: str) -> dict[str, Any]:
        """What was noted beside a source's rows as `Load.feeds`; empty where nothing was loaded."""
        row = self._connection.execute("SELECT feeds FROM source WHERE name = ?", (source,)).fetchone()
        return json.loads(row[0]) if row and row[0] else {}

    @contextlib.contextmanager
    def replacing(self, source: str, title: str, os_ids: Sequence[str], max_age: int) -> Iterator[Load]:
        """One transaction in which all rows of a source are replaced; an exception leaves the old ones."""
        connection = self._connection
        connection.executescript(_sql.BROUGHT)
        with self._transaction():
            connection.execute("DELETE FROM brought")
            for table in _TABLES.values():
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
            load = Load(connection, source)
            yield load
            for match in _sql.MATCHES:
                connection.execute(_sql.JOIN.format(match=match), (source,))
            connection.execute(_sql.REMEMBER, {"source": source})
            connection.execute("DELETE FROM brought")
            now = times.iso(times.now())
            connection.execute(
                "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
                (
                    source, title, json.dumps(list(os_ids)), max_age, load.fetched_at or now, load.generated_at,
                    load.checked_at or now, load.rows, json.dumps(load.feeds), load.lacking,
                ),
            )  # fmt: skip
            self._next_generation()

    def failed(self, source: str, title: str, os_ids: Sequence[str], max_age: int, error: str) -> None:
        """Keep what is there of a source, and why the attempt to renew it failed."""
        self._connection.execute(
            "INSERT INTO source (name, title, os_ids, max_age, rows, error) VALUES (?, ?, ?, ?, 0, ?) "
            "ON CONFLICT (name) DO UPDATE SET error = excluded.error",
            (source, title, json.dumps(list(os_ids)), max_age, error),
        )

    def confirmed(self, source: str, heard: str | None = None, lacking: str | None = None) -> None:
        """The upstream says (now, or when `heard`) that what is there is current."""
        self._connection.execute(
            "UPDATE source SET checked_at = ?, error = NULL, lacking = ? WHERE name = ?",
            (heard or times.iso(times.now()), lacking, source),
        )

    def copy_to(self, path: Path) -> None:
        """Write the index as it is now to a new file, compact and without a journal."""
        self._connection.execute("VACUUM INTO ?", (str(path),))

    def is_whole(self) -> bool:
        """Whether it has the tables of this version and nothing else, and SQLite finds no damage."""
        try:
            sound = self._connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
            return sound and self.tables() == expected_tables()
        except sqlite3.DatabaseError:
            return False

    def tables(self) -> set[tuple[str, ...]]:
        """What the file defines, by kind, name and text."""
        query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        return set(self._connection.execute(query))

    def adopt(self, path: Path, sources: Sequence[str]) -> None:
        """Replace these sources by those of another index, in one transaction."""
        connection = self._connection
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("ATTACH ? AS other", (str(path),))
        try:
            with self._transaction():
                for source in sources:
                    for table in _TABLES.values():
                        connection.execute(f"DELETE FROM main.{table} WHERE source = ?", (source,))
                        connection.execute(
                            f"INSERT INTO main.{table} SELECT * FROM other.{table} WHERE source = ?", (source,)
                        )
                    connection.execute(
                        "INSERT OR REPLACE INTO main.source SELECT * FROM other.source WHERE name = ?", (source,)
                    )
                connection.execute(
                    "INSERT INTO main.known SELECT * FROM other.known WHERE true ON CONFLICT (vulnerability) "
                    "DO UPDATE SET first_published = min(first_published, excluded.first_published)"
                )
                self._next_generation()
        finally:
            connection.execute("DETACH other")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # on a full disk SQLite has rolled back by itself
                self._connection.execute("ROLLBACK")
            raise

    def _each(self, query: str, values: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        left = iter(sorted(set(values)))
        while chunk := list(islice(left, _AT_ONCE)):
            yield from self._connection.execute(f"{query} ({', '.join('?' * len(chunk))})", chunk)

    def _meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _next_generation(self) -> None:
        following = str(int(self.generation) + 1)
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (following,))

    def _prepare(self, create: bool) -> None:
        connection = self._connection
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if empty and create:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN IMMEDIATE; {_sql.SCHEMA} COMMIT;")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            raise UpkeepError(
                "index_version",
                f"The advisory index {self.path} is of version {version}, this collection reads version {VERSION}: "
                "remove it and run the playbook advisories.yml, or import one of this version.",
                path=str(self.path),
            )


@functools.lru_cache(maxsize=1)
def expected_tables() -> set[tuple[str, ...]]:
    """`Index.tables()` of an index of this version."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_sql.SCHEMA)
        return Index(Path(), connection).tables()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what SQLite says of a full disk, a lock or a read-only file into UpkeepError `index_unwritable`."""
    try:
        yield
    except sqlite3.Error as error:
        raise UpkeepError(
            "index_unwritable",
            f"The advisory index {path} cannot be written ({error}): make room, make it writable for this user, "
            "or wait until nobody else writes it. What was loaded before stays.",
            path=str(path),
        )


class Load:
    """Rows on their way into the index. Set `generated_at`, `fetched_at` and `checked_at` where they are not now."""

    def __init__(self, connection: sqlite3.Connection, source: str) -> None:
        self._connection = connection
        self._source = source
        self.rows = 0
        self.statements = 0
        self.generated_at: str | None = None
        self.fetched_at: str | None = None
        self.checked_at: str | None = None
        self.feeds: dict[str, Any] = {}
        self.lacking: str | None = None

    def add(self, rows: Iterable[Row]) -> None:
        """As a stream: memory does not grow with their number."""
        left = iter(rows)
        while chunk := list(islice(left, 5000)):
            for kind, table in _TABLES.items():
                found = [(self._source, *_values(row)) for row in chunk if isinstance(row, kind)]
                if found:
                    marks = ", ".join("?" * len(found[0]))
                    self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", found)
                    self.rows += len(found)
                    self.statements += len(found) if kind is Statement else 0
            self._connection.executemany("INSERT INTO brought VALUES (?, ?, ?, ?, ?, ?)", _brought(chunk))
            for row in chunk:
                if isinstance(row, Edition):
                    self.generated_at = max(self.generated_at or "", row.generated_at)


def _brought(rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if isinstance(row, Notice):
            for vulnerability in (*row.vulnerabilities, ""):  # without a name: all that came with the version
                yield row.release, row.package, vulnerability, row.fixed, row.advisory, row.published


def _values(row: Row) -> tuple[Any, ...]:
    return tuple(json.dumps(value) if isinstance(value, tuple) else value for value in vars(row).values())
