# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was judged already, for the processes that come after: a worker for each host is a process of its own.

A cache and nothing more: what stands in it follows from the index, and goes when the index changes. Where it cannot be
read or written, each process judges for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from .index import Index
from .match import VERSION, Found, Key, Vulnerability

FILE = "state/matched.db"
_WAIT = 5.0  # seconds for another process's transaction
_SCHEMA = """
CREATE TABLE IF NOT EXISTS matched (
    basis TEXT, release TEXT, kind TEXT, package TEXT, version TEXT, module TEXT, found TEXT,
    PRIMARY KEY (release, kind, package, version, module, basis)
) WITHOUT ROWID
"""
_OF = "release = ? AND kind = ? AND package = ? AND version = ? AND module = ?"


def basis(index: Index) -> str:
    """What was judged by: the index's content, and the way in which this collection reads it.

    An imported index can be of the same generation as the one that it replaced: its sources tell them apart.
    """
    sources = [(each.name, each.fetched_at, each.generated_at, each.rows) for each in index.sources()]
    return hashlib.sha256(json.dumps([VERSION, index.generation, sources]).encode()).hexdigest()[:32]


class Memo:
    """A table beside the index: a key (`match.Key`) -> its vulnerabilities, as long as `basis` holds."""

    def __init__(self, path: Path, basis: str) -> None:
        self._basis = basis
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = _opened(path)
        except sqlite3.OperationalError:
            return  # locked, or not writable: it will do without
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            with contextlib.suppress(sqlite3.Error):
                self._connection = _opened(path)

    def get(self, keys: Sequence[Key]) -> dict[Key, Found]:
        """Those of `keys` that were judged."""
        found: dict[Key, Found] = {}
        if self._connection is None:
            return found
        try:
            for key in keys:
                row = self._connection.execute(
                    f"SELECT found FROM matched WHERE {_OF} AND basis = ?", (*_values(key), self._basis)
                ).fetchone()
                if row:
                    found[key] = tuple(Vulnerability(*each) for each in json.loads(row[0]))
        except (sqlite3.Error, ValueError, TypeError):
            return {}
        return found

    def put(self, found: dict[Key, Found]) -> None:
        """Keep them, in one short transaction; what was judged by another basis goes."""
        if self._connection is None:
            return
        rows = [(self._basis, *_values(key), json.dumps(each, separators=(",", ":"))) for key, each in found.items()]
        try:
            with self._connection:
                self._connection.execute("DELETE FROM matched WHERE basis <> ?", (self._basis,))
                self._connection.executemany("INSERT OR REPLACE INTO matched VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        except sqlite3.Error:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=_WAIT)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
        connection.commit()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _values(key: Key) -> tuple[str, ...]:
    return (key.release, key.kind, key.package, key.version, key.module or "")
