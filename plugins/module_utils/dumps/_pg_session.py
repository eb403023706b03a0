# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How PostgreSQL is reached: its programs, the connection's arguments, and sessions of psql's."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import subprocess
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import processes
from .model import Failed, Job
from .processes import Account

# Where Debian and the PGDG packages of Red Hat and SUSE keep the programs of each version.
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib/postgresql*/bin")
_VERSION = re.compile(r"(\d+)(?:/bin)?$")
_END = "-- upkeep: end of the answer"
SETTINGS = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"


def installed(program: str) -> List[Tuple[int, str]]:
    """(major version, folder) of each installation that has it, the newest first."""
    found = []
    for pattern in _PLACES:
        for folder in glob.glob(pattern):
            version = _VERSION.search(folder)
            if version and os.access(os.path.join(folder, program), os.X_OK):
                found.append((int(version.group(1)), folder))
    path = None if found else processes.find(program)  # a distribution that has one version, such as Red Hat's
    if path:
        said = re.search(rb"\d+", processes.run([path, "--version"], seconds=30).out)
        found += [(int(said.group()), os.path.dirname(path))] if said else []
    return sorted(found, reverse=True)


class Way(NamedTuple):
    """A server as one dump reaches it. `folder`: of its programs, None for those on PATH."""

    host: Optional[str]
    port: Optional[int]
    login: Optional[str]
    run_as: Optional[Account]
    folder: Optional[str]
    passfile: Optional[int] = None

    def program(self, name: str) -> str:
        if self.folder and os.access(os.path.join(self.folder, name), os.X_OK):
            return os.path.join(self.folder, name)
        path = processes.find(name)
        if path is None:
            raise Failed(f"{name} is not installed here; install the PostgreSQL client programs", name, 127)
        return path

    def where(self) -> List[str]:
        given = {"-h": self.host, "-p": self.port, "-U": self.login}
        return [text for flag, value in given.items() if value for text in (flag, str(value))] + ["--no-password"]

    def connection(self, database: str) -> str:
        """As -d takes it: a name that looks like a connection string must not be taken for one."""
        escaped = database.replace("\\", "\\\\").replace("'", "\\'")
        return f"dbname='{escaped}'"

    def psql(self, database: str) -> List[str]:
        return [self.program("psql"), *self.where(), "-X", "-q", "-A", "-t", "-d", self.connection(database)]

    def kept(self) -> Dict[str, Any]:
        """Arguments for `processes.run` and `start`."""
        if self.passfile is None:
            return {"user": self.run_as}
        return {"user": self.run_as, "env": {"PGPASSFILE": processes.at(self.passfile)}, "fds": [self.passfile]}

    def run(self, argv: List[str], seconds: float, **more: Any) -> processes.Finished:
        return processes.run(argv, seconds=seconds, **self.kept(), **more)

    def ask(self, database: str, query: str, seconds: float) -> List[str]:
        """The lines of the answer."""
        argv = [*self.psql(database), "-v", "ON_ERROR_STOP=1"]
        done = self.run(argv, seconds, stdin=f"{SETTINGS}\n{query}\n;\n".encode())
        return done.out.decode("utf-8", "replace").splitlines()

    def version(self, seconds: float) -> str:
        return "PostgreSQL " + self.ask("postgres", "SHOW server_version", seconds)[0]


@contextlib.contextmanager
def ways(job: Job) -> Iterator[Way]:
    """How the dump's server is reached: as postgres by its socket, where root said nothing else."""
    dump = job.dump
    run_as = dump.run_as
    if run_as is None and os.geteuid() == 0 and not (dump.host or dump.user or dump.secret):
        run_as = "postgres"
    user = processes.account(run_as)
    newest = installed("pg_dump")
    way = Way(dump.host or dump.socket, dump.port, dump.user, user, newest[0][1] if newest else None)
    with contextlib.ExitStack() as stack:
        if job.secret is not None:
            escaped = job.secret.replace("\\", "\\\\").replace(":", "\\:")
            way = way._replace(passfile=stack.enter_context(processes.private(f"*:*:*:*:{escaped}\n", user)))
        yield way


class Session:
    """A session that stays open, for what has to be seen in one snapshot."""

    def __init__(self, way: Way, database: str, job: Job) -> None:
        self._way, self._database, self._job = way, database, job
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Session:
        self._errors = self._stack.enter_context(tempfile.TemporaryFile())
        self._process = processes.start(
            [*self._way.psql(self._database), "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, **self._way.kept(),
        )  # fmt: skip
        self._stack.enter_context(processes.ended(self._process))
        self._lines = processes.Lines(self._process.stdout)
        return self

    def __exit__(self, *error: Any) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self._stack.close()

    def say(self, command: str) -> None:
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._gone()

    def ask(self, query: str) -> List[str]:
        """The lines of the answer. Raises Failed."""
        self.say(f"{query}\n\\echo {quoted(_END)}")
        lines: List[str] = []
        while True:
            line = self._lines.next(self._job.left())
            if line is None:
                self._gone()
            elif line == _END:
                return lines
            else:
                lines.append(line)

    def _gone(self) -> None:
        code = self._process.wait()
        raise Failed(processes.last_line(processes.tail(self._errors)) or "the connection was lost", "psql", code)


def quoted(text: str, mark: str = "'") -> str:
    """A literal, or with `"` an identifier, of SQL."""
    if "\0" in text:
        raise Failed("a name has a NUL in it")
    return mark + text.replace(mark, mark * 2) + mark
