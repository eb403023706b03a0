# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL: each database by pg_dump in its custom format, and the roles by pg_dumpall.

A session of psql's exports the snapshot that pg_dump reads, and counts the rows in that same snapshot: so the counts
are those of the dump, whatever is written meanwhile. How the format begins is told by pg_backup_archiver.c.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Dict, Iterator, List, Optional

from . import _pg_server as scratch_server
from ._pg_session import SETTINGS, Session, Way, quoted, ways
from .engine import Engine
from .model import FAILED, Dump, Failed, Job, file_name, loaded, not_loaded, taken, wrong
from .processes import last_line, run

_MAGIC = b"PGDMP"
_GLOBALS_END = b"-- PostgreSQL database cluster dump complete"
_MAINTENANCE_READ = "postgres"  # who may connect to few databases nearly always may to this one
_MAINTENANCE = "template1"  # to connect to while a database is made or replaced
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
# What pg_dump writes the rows of: no partitioned tables (their partitions have them), nothing of an extension's.
_TABLES = """
 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
 AND NOT EXISTS (SELECT 1 FROM pg_depend d
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_COUNTS = (
    "SELECT format('SELECT json_build_array(%L, count(*)) FROM ONLY %I.%I', n.nspname || '.' || c.relname, n.nspname, "
    "c.relname)" + _TABLES + " ORDER BY 1 \\gexec"
)
_ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
_OF_A_ROLE = (("CREATE", ";"), ("ALTER", " "))  # how pg_dumpall begins the statements that make one what it is
# Options that leave something out, so that the counts of the whole database say nothing.
_PARTIAL = (
    "-t", "-T", "-n", "-N", "-s", "-e", "--table", "--schema", "--exclude", "--section", "--no-unlogged", "--filter",
)  # fmt: skip


class Postgresql(Engine):
    name = "postgresql"

    def check(self, dump: Dump) -> None:
        if dump.path or dump.argv or dump.load_argv or dump.trailer:
            raise wrong(f"{dump.name}: path, argv, load_argv and trailer are not for postgresql")

    def size(self, job: Job) -> Optional[int]:
        with ways(job) as way:
            names = ", ".join(quoted(name) for name in self._databases(way, job))
            asked = f"SELECT coalesce(sum(pg_database_size(datname)), 0) FROM pg_database WHERE datname IN ({names})"
            return int(way.ask(_MAINTENANCE_READ, asked, job.left())[0]) if names else 0

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        with ways(job) as way:
            databases = self._databases(way, job)
            yield self._globals(way, job)
            for database in databases:
                yield self._database(way, job, database)

    def _databases(self, way: Way, job: Job) -> List[str]:
        found = way.ask(_MAINTENANCE_READ, _DATABASES, job.left())
        missing = [name for name in job.dump.databases if name not in found]
        if missing:
            raise Failed(f"the server has no database {missing[0]}")
        return list(job.dump.databases) or found

    def _globals(self, way: Way, job: Job) -> Dict[str, Any]:
        """Roles, their memberships and settings, tablespaces: what a database's own dump refers to."""
        file = file_name(job.dump, None, "globals.sql")
        path = os.path.join(job.folder, file)
        argv = [way.program("pg_dumpall"), *way.where(), "--globals-only", "-l", _MAINTENANCE_READ]
        with open(path, "wb") as target:  # noqa: PTH123
            try:
                way.run(argv, job.left(), stdout=target)
            except Failed as failed:
                if "pg_authid" not in failed.why:  # only a superuser reads the hashes of passwords
                    raise
                target.seek(0)
                target.truncate()
                way.run([*argv, "--no-role-passwords"], job.left(), stdout=target)
        with open(path, "rb") as made:  # noqa: PTH123
            made.seek(max(0, os.path.getsize(path) - 200))
            if _GLOBALS_END not in made.read():
                raise Failed("its output does not end as a whole one does", "pg_dumpall")
        return taken(job.dump, None, file, way.version(job.left()), None, accompanies=True)

    def _database(self, way: Way, job: Job, database: str) -> Dict[str, Any]:
        file = file_name(job.dump, database, "pgdump")
        path = os.path.join(job.folder, file)
        with Session(way, database, job) as session:
            session.say(SETTINGS)
            session.say("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;")
            snapshot = session.ask("SELECT pg_export_snapshot();")[0]
            argv = [way.program("pg_dump"), *way.where(), "-d", way.connection(database), "--format=custom", "-Z0"]
            with open(path, "wb") as target:  # noqa: PTH123
                way.run([*argv, f"--snapshot={snapshot}", *job.dump.options], job.left(), stdout=target)
            counts = {}
            for line in session.ask(_COUNTS):
                table, rows = json.loads(line)
                counts[table] = rows
            encoding = session.ask(_ENCODING + ";")[0]
            server = session.ask("SHOW server_version;")[0]
        _prove(way, path, job)
        exact = not any(option.startswith(_PARTIAL) for option in job.dump.options)
        return taken(job.dump, database, file, f"PostgreSQL {server}", counts, exact, encoding=encoding)

    # -- loading ----------------------------------------------------------------------------------------------------

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        with scratch_server.running(job, items, scratch) as way:
            roles = False
            for item in items:
                try:
                    if item["database"] is None:
                        self._load_globals(way, job, item)
                        roles = True
                        yield loaded(item, None)
                    else:
                        yield self._test_one(way, job, item, roles)
                except Failed as failed:
                    yield not_loaded(item, FAILED, failed.why)

    def _test_one(self, way: Way, job: Job, item: Dict[str, Any], roles: bool) -> Dict[str, Any]:
        database = item["database"]
        if database not in way.ask(_MAINTENANCE, _DATABASES, job.left()):
            # C: the locales of the server that was dumped may not be there, and no count depends on them
            name, encoding = quoted(database, '"'), quoted(item.get("encoding") or "UTF8")
            made = f"CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING {encoding}"
            way.ask(_MAINTENANCE, made, job.left())
        more = ["--no-tablespaces"] + ([] if roles else ["--no-owner", "--no-privileges"])
        self._restore(way, job, item, ["-d", way.connection(database), *more])
        return loaded(item, self._count(way, job, database))

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        if item["database"] is None:
            return False
        with ways(job) as way:
            if item["database"] not in way.ask(_MAINTENANCE, _DATABASES, job.left()):
                return False
            return way.ask(item["database"], "SELECT count(*)" + _TABLES, job.left()) != ["0"]

    def load(self, job: Job, item: Dict[str, Any], overwrite: bool) -> Dict[str, Any]:
        database = item["database"]
        with ways(job) as way:
            if database is None:
                self._load_globals(way, job, item)
                return loaded(item, None)
            there = database in way.ask(_MAINTENANCE, _DATABASES, job.left())
            if there and not overwrite:
                self._restore(way, job, item, ["-d", way.connection(database)])
                return loaded(item, self._count(way, job, database))
            with _aside(way, job, database) if there else contextlib.nullcontext():
                self._restore(way, job, item, ["--create", "-d", _MAINTENANCE])
                return loaded(item, self._count(way, job, database))

    def _restore(self, way: Way, job: Job, item: Dict[str, Any], where: List[str]) -> None:
        with open(os.path.join(job.folder, item["file"]), "rb") as dump:  # noqa: PTH123
            way.run([way.program("pg_restore"), *way.where(), "--exit-on-error", *where], job.left(), stdin=dump)

    def _load_globals(self, way: Way, job: Job, item: Dict[str, Any]) -> None:
        """Roles that are there already stay, and a tablespace needs its folder: neither stops a restore."""
        there = way.ask(_MAINTENANCE, "SELECT quote_ident(rolname) FROM pg_roles", job.left())
        skipped = tuple(f"{verb} ROLE {role}{end}".encode() for role in there for verb, end in _OF_A_ROLE)
        with open(os.path.join(job.folder, item["file"]), "rb") as dump:  # noqa: PTH123
            statements = b"".join(line for line in dump if not line.startswith(skipped))
        done = way.run(way.psql(_MAINTENANCE), job.left(), stdin=statements, check=False)
        errors = [line for line in done.errors.splitlines() if "ERROR:" in line or "FATAL:" in line]
        bad = [line for line in errors if "already exists" not in line and "tablespace" not in line.lower()]
        if bad or (done.code and not errors):
            raise Failed(last_line("\n".join(bad) or done.errors), "psql", done.code)

    def _count(self, way: Way, job: Job, database: str) -> Dict[str, int]:
        lines = way.ask(database, _COUNTS, job.left())
        return dict(map(json.loads, lines))


@contextlib.contextmanager
def _aside(way: Way, job: Job, database: str) -> Iterator[None]:
    """What is there steps aside while another takes its place: it goes when that worked, and comes back when not."""
    name, kept = quoted(database, '"'), quoted(f"{database[:40]}_before_upkeep", '"')
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {quoted(database)}"
    way.ask(_MAINTENANCE, f"{others}; ALTER DATABASE {name} RENAME TO {kept}", job.left())
    try:
        yield
    except BaseException:
        seconds = 60.0  # of its own: the time may be what ran out
        way.ask(_MAINTENANCE, f"{others};\nDROP DATABASE IF EXISTS {name}", seconds)
        way.ask(_MAINTENANCE, f"ALTER DATABASE {kept} RENAME TO {name}", seconds)
        raise
    way.ask(_MAINTENANCE, f"DROP DATABASE {kept}", job.left())


def _prove(way: Way, path: str, job: Job) -> None:
    """The dump begins as one, and pg_restore can read its table of contents."""
    with open(path, "rb", buffering=0) as made:  # noqa: PTH123  # pg_restore goes on where we stand
        if made.read(len(_MAGIC)) != _MAGIC:
            raise Failed("its output is no dump in the custom format", "pg_dump")
        made.seek(0)
        listed = run([way.program("pg_restore"), "--list"], seconds=job.left(), stdin=made)
    if b"TOC Entries" not in listed.out:
        raise Failed("it listed no contents", "pg_restore")
