# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SQLite: each file by the database's own backup, which sees one state of it whoever writes meanwhile."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import shutil
from typing import Any, Dict, Iterator, List, Optional
from urllib.parse import quote

from .engine import Engine
from .model import FAILED, Dump, Failed, Job, file_name, loaded, not_loaded, taken, wrong

_PERMISSIONS = 0o777  # no setuid bit comes out of an archive
_PAGES_AT_ONCE = 1024  # between two looks at the clock; readers and writers get their turn


class Sqlite(Engine):
    name = "sqlite"

    def check(self, dump: Dump) -> None:
        if not dump.path or not os.path.isabs(dump.path):
            raise wrong(f"{dump.name}: sqlite needs path, the absolute path of the database file, or a glob")

    def size(self, job: Job) -> Optional[int]:
        return sum(os.path.getsize(path) for path in _found(job.dump))

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        for path in _found(job.dump):
            file = file_name(job.dump, path.lstrip("/"), "sqlite")
            copy = job.new(file)
            info = os.stat(path)
            with _opened(path) as source:
                _copy(source, copy, job)
            owner = {"uid": info.st_uid, "gid": info.st_gid, "mode": info.st_mode & 0o7777}
            yield taken(job.dump, path, file, f"SQLite {_version()}", _checked(copy), owner=owner)

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        for item in items:
            try:
                yield loaded(item, _checked(os.path.join(job.folder, item["file"])))
            except Failed as failed:
                yield not_loaded(item, FAILED, failed.why)

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        path = _target(job, item)
        return os.path.lexists(path) and (not os.path.isfile(path) or os.path.getsize(path) > 0)

    def load(self, job: Job, item: Dict[str, Any], overwrite: bool) -> Dict[str, Any]:
        """Into the file that is there, as one transaction of SQLite's: who has it open sees either all or nothing."""
        path, dump = _target(job, item), os.path.join(job.folder, item["file"])
        if os.path.islink(path):
            raise Failed(f"{path} is a symbolic link; remove it first")
        result = loaded(item, _checked(dump))
        if result["status"] == FAILED:
            raise Failed(result["why"])
        if os.path.lexists(path):
            with _opened(dump) as source:
                _copy(source, path, job)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = f"{path}.upkeep-part"
            try:
                shutil.copyfile(dump, part)
                owner = item.get("owner") or {}
                if os.geteuid() == 0 and owner:
                    os.chown(part, owner["uid"], owner["gid"])
                os.chmod(part, owner.get("mode", 0o600) & _PERMISSIONS)
                _checked(part)
                os.rename(part, path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part)
        return loaded(item, _checked(path))


def _target(job: Job, item: Dict[str, Any]) -> str:
    """Where the file goes: to a path that the inventory names today, whatever the archive says of itself."""
    path, named = str(item["database"]), job.dump.path or ""
    parts, patterns = path.split("/"), named.split("/")
    fits = len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
    if path != named and not (fits and os.path.isabs(path) and not {"", ".", ".."} & set(parts[1:])):
        raise Failed(f"the file was {path}, and the inventory names {named or 'no path'}; correct path in the dump")
    return path


def _found(dump: Dump) -> List[str]:
    paths = [path for path in sorted(glob.glob(dump.path or "")) if not path.endswith(("-wal", "-shm", "-journal"))]
    paths = paths or ([dump.path] if dump.path and os.path.exists(dump.path) else [])
    if not paths:
        raise Failed(f"there is no file {dump.path}")
    return paths


@contextlib.contextmanager
def _opened(path: str, mode: str = "ro") -> Iterator[Any]:
    import sqlite3  # pylint: disable=import-outside-toplevel  # a host may have a Python without it

    beside = (f"{path}-wal", f"{path}-shm")
    before = any(map(os.path.lexists, beside))
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, timeout=60)) as connection:
            yield connection
        if mode == "ro" and not before and any(map(os.path.lexists, beside)):
            # A reader leaves them behind. The last writer that closes removes them, and knows whether it is the last.
            with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=1)) as connection:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise Failed(f"{path}: {error}", "sqlite")


def _copy(source: Any, path: str, job: Job) -> None:
    def look_at_the_clock(_status: int, _remaining: int, _total: int) -> None:
        job.left()

    with _opened(path, "rwc") as target:
        source.backup(target, pages=_PAGES_AT_ONCE, progress=look_at_the_clock)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _checked(path: str) -> Dict[str, int]:
    """The rows of each table. Raises Failed where the file is damaged."""
    counts = {}
    with _opened(path) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        verdict = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if verdict != ["ok"]:
            raise Failed(f"{path}: the integrity check says: {'; '.join(map(str, verdict))[:300]}", "sqlite")
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        for (table,) in connection.execute(tables).fetchall():
            name = table.replace('"', '""')
            counts[table] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
    return counts


def _version() -> str:
    import sqlite3  # pylint: disable=import-outside-toplevel

    return sqlite3.sqlite_version
