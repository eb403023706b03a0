# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Database servers for the tests: each in a folder of its own, as an unprivileged user, on a socket of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PG = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "s3cr3t-'\"\\#:pass word"


class Server:
    """A running server: how to reach it, and `sql` to ask it something as its administrator."""

    def __init__(self, folder: Path, port: int, user: str) -> None:
        self.folder, self.port, self.user = folder, port, user
        self.process: subprocess.Popen | None = None

    def run(self, *argv: object, given: str = "", as_user: bool = True) -> str:
        identity = _identity(self.user) if as_user else {}
        done = subprocess.run(
            list(map(str, argv)), input=given, capture_output=True, text=True, cwd=self.folder, check=False, **identity
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def start(self, *argv: object, ready: Callable[[], object]) -> None:
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            list(map(str, argv)), stdout=log, stderr=log, cwd=self.folder, **_identity(self.user)
        )
        for _attempt in range(600):
            try:
                ready()
                return
            except (AssertionError, OSError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        pytest.fail(f"the server did not start: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Postgres(Server):
    def sql(self, statements: str, database: str = "postgres") -> str:
        return self.run(
            PG / "psql", "-h", self.folder, "-p", self.port, "-U", "boss", "-XqAt", "-v", "ON_ERROR_STOP=1",
            "-d", database, given=statements,
        )  # fmt: skip

    def dump(self, **more: object) -> dict:
        """An item of a set's `dumps`, through TCP and with a password."""
        return {"name": "shop", "engine": "postgresql", "host": "127.0.0.1", "port": self.port, "user": "boss",
                "secret": "shop_db", **more}  # fmt: skip


class Maria(Server):
    def sql(self, statements: str) -> str:
        return self.run("mariadb", "--no-defaults", "-S", self.folder / "sock", "-uroot", "-NB", given=statements)

    def dump(self, **more: object) -> dict:
        return {"name": "web", "engine": "mysql", "host": "127.0.0.1", "port": self.port, "user": "saver",
                "secret": "web_db", **more}  # fmt: skip


class RedisServer(Server):
    def cli(self, *words: object, given: str = "") -> str:
        return self.run("redis-cli", "-s", self.folder / "sock", "--no-auth-warning", "-a", "redis-pass-77", *words,
                        given=given)  # fmt: skip

    def dump(self, **more: object) -> dict:
        return {"name": "cache", "engine": "redis", "socket": str(self.folder / "sock"), "secret": "cache_db", **more}


SECRETS = {"shop_db": PASSWORD, "web_db": PASSWORD, "cache_db": "redis-pass-77"}


def _identity(user: str) -> dict:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": [],
        "env": {**os.environ, "HOME": entry.pw_dir},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _folder(user: str, *needs: str | Path) -> Iterator[Path]:
    missing = [str(program) for program in needs if not shutil.which(program)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} missing")
    folder = Path(tempfile.mkdtemp(prefix="upkeep-test-", dir="/var/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    with _folder("postgres", PG / "initdb", PG / "postgres") as folder:
        server = Postgres(folder, _free_port(), "postgres")
        server.run(PG / "initdb", "-D", folder / "data", "-U", "boss", "--no-sync", "--locale=C.UTF-8", "--auth=trust")
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (folder / "data/pg_hba.conf").write_text(rules)
        server.start(
            PG / "postgres", "-D", folder / "data", "-p", server.port, "-k", folder, "-h", "127.0.0.1", "-F",
            ready=lambda: server.sql("SELECT 1"),
        )  # fmt: skip
        try:
            server.sql("ALTER ROLE boss PASSWORD '{}'".format(PASSWORD.replace("'", "''")))
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def maria() -> Iterator[Maria]:
    with _folder("mysql", "mariadbd", "mariadb-install-db", "mariadb-dump") as folder:
        server = Maria(folder, _free_port(), "mysql")
        server.run("mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                   "--auth-root-authentication-method=normal")  # fmt: skip
        server.start(
            shutil.which("mariadbd") or "mariadbd", "--no-defaults", f"--datadir={folder}/data",
            f"--socket={folder}/sock", f"--port={server.port}", "--bind-address=127.0.0.1", "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", f"--tmpdir={folder}",
            ready=lambda: server.sql("SELECT 1"),
        )  # fmt: skip
        try:
            password = PASSWORD.replace("\\", "\\\\").replace("'", "''")
            server.sql(
                f"CREATE USER saver@'127.0.0.1' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO saver@'127.0.0.1'"
            )
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def redis() -> Iterator[RedisServer]:
    with _folder("redis", "redis-server", "redis-cli") as folder:
        server = RedisServer(folder, _free_port(), "redis")
        server.start(
            "redis-server", "--port", server.port, "--bind", "127.0.0.1", "--unixsocket", folder / "sock", "--dir",
            folder,
            "--save", "", "--requirepass", "redis-pass-77", "--repl-diskless-sync-delay", "0",
            ready=lambda: server.cli("PING"),
        )  # fmt: skip
        try:
            yield server
        finally:
            server.stop()
