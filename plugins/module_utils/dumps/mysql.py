# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MySQL and MariaDB: each database by mysqldump or mariadb-dump, in one transaction.

The rows are counted in the dump itself as it lies there, so the counts are exactly the dump's. The text's format is
that of mysqldump's --opt: an INSERT statement is one line, quotes in it are escaped by backslashes or doubled.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from . import _mysql_server as scratch_server
from . import processes
from .engine import Engine
from .model import FAILED, Dump, Failed, Job, file_name, loaded, not_loaded, taken, wrong
from .processes import Account

_OWN = ("information_schema", "performance_schema", "sys", "mysql")
_END = b"-- Dump completed"
_ARGUMENTS = ("--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob",
              "--default-character-set=utf8mb4", "--no-tablespaces", "--max-allowed-packet=1G")  # fmt: skip
_TABLE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)`")
_INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO `((?:[^`]|``)+)` (?:\([^)]*\) )?VALUES")
_TEXT = re.compile(rb"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_PARTIAL = ("--ignore-table", "--no-data", "-d", "--where", "-w", "--tables", "--no-create-info", "-t")


class Mysql(Engine):
    name = "mysql"

    def check(self, dump: Dump) -> None:
        if dump.path or dump.argv or dump.load_argv or dump.trailer:
            raise wrong(f"{dump.name}: path, argv, load_argv and trailer are not for mysql")

    def size(self, job: Job) -> Optional[int]:
        with ways(job) as way:
            names = ", ".join(literal(name) for name in self._databases(way, job))
            asked = "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema IN "
            asked += f"({names})"
            return int(float(way.ask(asked, job.left())[0])) if names else 0

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        with ways(job) as way:
            server = way.ask("SELECT VERSION()", job.left())[0]
            kind = "MariaDB" if "mariadb" in server.lower() else "MySQL"
            for database in self._databases(way, job):
                yield self._database(way, job, database, f"{kind} {server}")

    def _databases(self, way: Way, job: Job) -> List[str]:
        found = way.ask("SELECT schema_name FROM information_schema.schemata ORDER BY 1", job.left())
        missing = [name for name in job.dump.databases if name not in found]
        if missing:
            raise Failed(f"the server has no database {missing[0]}, or this user may not see it")
        return list(job.dump.databases) or [name for name in found if name not in _OWN]

    def _database(self, way: Way, job: Job, database: str, server: str) -> Dict[str, Any]:
        file = file_name(job.dump, database, "sql")
        path = job.new(file)
        program = processes.find("mariadb-dump", "mysqldump")
        if program is None:
            raise Failed("it is not installed here; install the server's client programs", "mysqldump", 127)
        more = [] if b"MariaDB" in _version_of(program, job) else ["--set-gtid-purged=OFF"]
        charset = way.ask(
            "SELECT CONCAT(default_character_set_name, ' COLLATE ', default_collation_name) FROM "
            f"information_schema.schemata WHERE schema_name = {literal(database)}", job.left(),
        )[0]  # fmt: skip
        with open(path, "wb") as target:  # noqa: PTH123
            argv = way.argv(program, *_ARGUMENTS, *more, *job.dump.options, "--", database)
            way.run(argv, job.left(), stdout=target)
        counts = counted(path)
        exact = not any(option.startswith(_PARTIAL) for option in job.dump.options)
        return taken(job.dump, database, file, server, counts, exact, charset=charset)

    # -- loading ----------------------------------------------------------------------------------------------------

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        with scratch_server.running(job, items, scratch) as server:
            way = Way(f"[client]\nuser=root\nsocket={server.socket}\n", server.user, only=True)
            server.wait(lambda: way.ask("SELECT 1", 10))
            for item in items:
                try:
                    yield self._load(way, job, item)
                except Failed as failed:
                    yield not_loaded(item, FAILED, failed.why)

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        asked = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {literal(item['database'])}"
        with ways(job) as way:
            return way.ask(asked, job.left()) != ["0"]

    def load(self, job: Job, item: Dict[str, Any], overwrite: bool) -> Dict[str, Any]:
        with ways(job) as way:
            if overwrite:
                way.ask(f"DROP DATABASE IF EXISTS {identifier(item['database'])}", job.left())
            return self._load(way, job, item)

    def _load(self, way: Way, job: Job, item: Dict[str, Any]) -> Dict[str, Any]:
        database = item["database"]
        counted(os.path.join(job.folder, item["file"]))  # the client takes half a dump without a word
        charset = item.get("charset") or ""
        if not re.fullmatch(r"\w+ COLLATE \w+", charset):
            charset = "utf8mb4 COLLATE utf8mb4_general_ci"
        way.ask(f"CREATE DATABASE IF NOT EXISTS {identifier(database)} CHARACTER SET {charset}", job.left())
        with open(os.path.join(job.folder, item["file"]), "rb") as dump:  # noqa: PTH123
            argv = way.client("--binary-mode", "--max-allowed-packet=1G", "--default-character-set=utf8mb4")
            way.run([*argv, "--database", database], job.left(), stdin=dump)
        return loaded(item, self._count(way, job, database))

    def _count(self, way: Way, job: Job, database: str) -> Dict[str, int]:
        tables = way.ask(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = "
            f"{literal(database)} ORDER BY 1", job.left(),
        )  # fmt: skip
        asked = ";\n".join(f"SELECT COUNT(*) FROM {identifier(database)}.{identifier(table)}" for table in tables)
        return dict(zip(tables, map(int, way.ask(asked, job.left()) if asked else [])))


class Way(NamedTuple):
    """A server as one dump reaches it: `options` are those of an option file; `only` that no other file counts."""

    options: str
    run_as: Optional[Account]
    only: bool = False

    def argv(self, program: str, *arguments: str) -> List[str]:
        flag = "--defaults-file" if self.only else "--defaults-extra-file"
        return [program, f"{flag}=@options@", *arguments]

    def client(self, *arguments: str) -> List[str]:
        program = processes.find("mariadb", "mysql")
        if program is None:
            raise Failed("it is not installed here; install the server's client programs", "mysql", 127)
        return self.argv(program, *arguments)

    def run(self, argv: List[str], seconds: float, **more: Any) -> processes.Finished:
        with processes.private(self.options, self.run_as) as fd:
            argv = [argument.replace("@options@", processes.at(fd)) for argument in argv]
            return processes.run(argv, seconds=seconds, user=self.run_as, fds=[fd], **more)

    def ask(self, query: str, seconds: float) -> List[str]:
        """The lines of the answer, names unescaped."""
        argv = self.client("--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4")
        return self.run(argv, seconds, stdin=query.encode()).out.decode("utf-8", "replace").splitlines()


@contextlib.contextmanager
def ways(job: Job) -> Iterator[Way]:
    dump = job.dump
    given = {"host": dump.host, "port": dump.port, "socket": dump.socket, "user": dump.user, "password": job.secret}
    lines = [f"{key}={_option(str(value))}" for key, value in given.items() if value is not None]
    if dump.host and dump.port:
        lines.append("protocol=tcp")  # or `localhost` would mean the socket
    yield Way("\n".join(["[client]", *lines, ""]), processes.account(dump.run_as))


def counted(path: str) -> Dict[str, int]:
    """The rows of each table in a dump. Raises Failed where the dump does not end as a whole one does."""
    counts: Dict[str, int] = {}
    last = b""
    in_routine = False  # whose statements have a delimiter of their own, and are no data
    with open(path, "rb") as dump:  # noqa: PTH123
        for line in dump:
            if line.startswith(b"DELIMITER "):
                in_routine = line.split() != [b"DELIMITER", b";"]
            elif in_routine:
                pass
            elif line.startswith(b"INSERT "):
                match = _INSERT.match(line)
                if match:
                    name = _name(match.group(1))
                    counts[name] = counts.get(name, 0) + _rows(line[match.end() :], dump)
            elif line.startswith(b"CREATE TABLE "):
                match = _TABLE.match(line)
                if match:
                    counts.setdefault(_name(match.group(1)), 0)
            last = line if line.strip() else last
    if not last.startswith(_END):
        raise Failed("its output does not end as a whole dump does (-- Dump completed)", "mysqldump")
    return counts


def _rows(values: bytes, more: Iterator[bytes]) -> int:
    """How many rows an INSERT has. From MariaDB 10.? on each row may stand on a line of its own, up to the `;`."""
    rows = 0
    while True:
        bare = _TEXT.sub(b"", values)
        rows += bare.count(b"(") - bare.count(b"((") if bare.strip() else 0
        if bare.rstrip().endswith(b";"):
            return rows
        try:
            values = next(more)
        except StopIteration:
            raise Failed("its output ends in the middle of a statement", "mysqldump")


def _name(raw: bytes) -> str:
    return raw.replace(b"``", b"`").decode("utf-8", "replace")


def _option(value: str) -> str:
    """As an option file takes any text: quoted, with its escapes (my_default.c)."""
    if "\n" in value or "\r" in value or "\0" in value:
        raise wrong("a line break in a user's name or password cannot be handed to the server's programs")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(text: str) -> str:
    return "`" + text.replace("`", "``") + "`"


def _version_of(program: str, job: Job) -> bytes:
    return processes.run([program, "--version"], seconds=min(job.left(), 30)).out
