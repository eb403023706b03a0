# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redis: the RDB file that the server itself writes; from another machine, the one it sends to a replica."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import Any, Dict, Iterator, List, Optional

from . import processes
from ._bench import bench
from ._resp import Connection
from .engine import Engine
from .model import FAILED, Dump, Failed, Job, Unavailable, file_name, loaded, not_loaded, taken, wrong

_MAGIC = b"REDIS"
_EOF_OPCODE = 0xFF
_CHECKSUM = 8  # bytes behind that opcode, from version 5 of the format on
_HERE = (None, "", "localhost", "127.0.0.1", "::1")
_MARK = 40  # bytes that end what a server sends without saying how long it is
_STARTS_WITHIN_S = 120
_CLOCKS_DIFFER_S = 0.1  # a file system's clock goes in ticks
_TRIAL_MS = 60_000  # after which the server forgets a key that we could not take out again


class Redis(Engine):
    name = "redis"

    def check(self, dump: Dump) -> None:
        if dump.databases or dump.path or dump.argv or dump.load_argv or dump.trailer or dump.options:
            message = f"{dump.name}: redis is dumped as a whole: no databases, path, argv, load_argv, trailer, options"
            raise wrong(message)

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        file = file_name(job.dump, None, "rdb")
        path = job.new(file)
        with _connected(job) as redis:
            before = _counts(redis)
            if job.dump.host in _HERE:
                begin = time.time()
                seen = _copied(_saved(redis, job), path, begin)
            else:
                seen = False
            if not seen:
                with _connected(job) as replica:
                    _received(replica, path, job)
            after = _counts(redis)
            exact = before == after  # else somebody wrote meanwhile, and which number is the dump's is unknown
            server = "Redis " + redis.info("server").get("redis_version", "")
        _prove(path, job)
        yield taken(job.dump, None, file, server, before, exact, counts_after=after)

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        for item in items:
            try:
                with _loaded(job, item, scratch) as redis:
                    yield loaded(item, _with_expired(item, redis))
            except Failed as failed:
                yield not_loaded(item, FAILED, failed.why)

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        with _connected(job) as redis:
            return bool(_counts(redis))

    def load(self, job: Job, item: Dict[str, Any], overwrite: bool) -> Dict[str, Any]:
        """Key by key out of a scratch server: the real one goes on running, and its configuration stays as it is."""
        with _loaded(job, item, "/var/tmp") as source, _connected(job) as target:
            if overwrite:
                _tried(source, target)
                target.ask("FLUSHALL")
            for name in _counts(source):
                source.ask("SELECT", name[2:])
                target.ask("SELECT", name[2:])
                for keys in source.all_keys():
                    _moved(source, target, keys)
                    job.left()
            return loaded(item, _with_expired(item, source, target))


@contextlib.contextmanager
def _connected(job: Job) -> Iterator[Connection]:
    dump = job.dump
    with Connection(dump.host, dump.port, dump.socket, job.left()) as redis:
        if job.secret is not None:
            redis.ask("AUTH", *([dump.user] if dump.user else []), job.secret)
        yield redis


def _counts(redis: Connection) -> Dict[str, int]:
    """{"db0": keys}"""
    found = {}
    for name, text in redis.info("keyspace").items():
        found[name] = int(dict(part.split("=") for part in text.split(","))["keys"])
    return found


def _with_expired(item: Dict[str, Any], redis: Connection, target: Optional[Connection] = None) -> Dict[str, int]:
    """What was loaded, with the keys that had run out since the dump: those are not missing, they are over."""
    counts = _counts(target or redis)
    expired = int(redis.info("persistence").get("rdb_last_load_keys_expired", "0"))
    expired += int(redis.info("stats").get("expired_keys", "0"))
    for name, keys in (item.get("counts") or {}).items():
        over = min(expired, max(0, keys - counts.get(name, 0)))
        if over:
            counts[name] = counts.get(name, 0) + over
            expired -= over
    return counts


def _saved(redis: Connection, job: Job) -> str:
    """Have the server write its RDB file; where that lies."""
    _finished(redis, job)  # one that is under way began before us
    last = redis.ask("LASTSAVE")
    while redis.ask("TIME")[0] == b"%d" % last:  # LASTSAVE counts in seconds: it must be able to advance
        time.sleep(0.1)
    redis.ask("BGSAVE")
    _finished(redis, job)
    status = redis.info("persistence").get("rdb_last_bgsave_status")
    if status != "ok" or redis.ask("LASTSAVE") <= last:
        raise Failed(f"BGSAVE ended with {status}; the server's own log says why", "redis")
    folder, name = (redis.ask("CONFIG", "GET", key)[1].decode() for key in ("dir", "dbfilename"))
    return os.path.join(folder, name)


def _finished(redis: Connection, job: Job) -> None:
    while redis.info("persistence").get("rdb_bgsave_in_progress") != "0":
        job.left()
        time.sleep(0.1)


def _copied(source: str, path: str, begin: float) -> bool:
    """Copy what was saved since `begin`; False where no such file is: a container's server has a /data of its own."""
    try:
        if os.stat(source).st_mtime < begin - _CLOCKS_DIFFER_S:
            return False
        shutil.copyfile(source, path)
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.filename == source:
            why = (
                f"{source}: {error.strerror}; run as a user who may read it, or name the server by host to have it sent"
            )
            raise Failed(why, "redis")
        raise


def _received(redis: Connection, path: str, job: Job) -> None:
    """What a new replica is sent: `$<length>` and the file, or `$EOF:<mark>`, the file and the mark again."""
    redis.send(("SYNC",))
    line = b"\n"
    while line == b"\n":  # it keeps the connection alive while it prepares
        redis.within(job.left())
        line = redis.stream.readline()
    if not line.startswith(b"$"):
        raise Failed(line.decode("utf-8", "replace").strip().lstrip("-") or "it closed the connection", "redis")
    mark = line[5:].strip() if line.startswith(b"$EOF:") else b""
    left = -1 if mark else int(line[1:])
    held = b""
    with open(path, "wb") as target:  # noqa: PTH123
        while left:
            redis.within(job.left())
            piece = redis.stream.read1(1 << 16) if mark else redis.stream.read(min(left, 1 << 16))
            if not piece:
                raise Failed("it closed the connection before the dump was whole", "redis")
            if mark:
                held += piece
                if held.endswith(mark):
                    target.write(held[:-_MARK])
                    return
                target.write(held[:-_MARK])
                held = held[-_MARK:]
            else:
                target.write(piece)
                left -= len(piece)


def _prove(path: str, job: Job) -> None:
    with open(path, "rb") as made:  # noqa: PTH123
        begin = made.read(9)
        if not begin.startswith(_MAGIC) or not begin[5:].isdigit():
            raise Failed("what came is no RDB file", "redis")
        if os.path.getsize(path) < 9 + 1 + _CHECKSUM:
            raise Failed("the RDB file is cut off", "redis")
        made.seek(-1 - _CHECKSUM, os.SEEK_END)
        if made.read(1)[0] != _EOF_OPCODE:
            raise Failed("the RDB file does not end as a whole one does", "redis")
    checker = processes.find("redis-check-rdb", "valkey-check-rdb")
    if checker:
        processes.run([checker, path], seconds=job.left())


@contextlib.contextmanager
def _loaded(job: Job, item: Dict[str, Any], scratch: str) -> Iterator[Connection]:
    """A server of our own that has loaded it: no TCP, nothing saved, gone afterwards."""
    program = processes.find("redis-server", "valkey-server")
    if program is None:
        raise Unavailable("no Redis server is installed here; install redis-server")
    user = processes.first_account("redis", "valkey")
    with bench(scratch, user, item["bytes"]) as folder:
        dump = os.path.join(folder, "dump.rdb")
        shutil.copyfile(os.path.join(job.folder, item["file"]), dump)
        if user:
            os.chown(dump, user.uid, user.gid)
        path = os.path.join(folder, "sock")
        argv = [program, "--port", "0", "--unixsocket", path, "--dir", folder, "--dbfilename", "dump.rdb", "--save", "",
                "--appendonly", "no", "--daemonize", "no"]  # fmt: skip

        def ready() -> bool:
            try:
                with Connection(None, None, path, 5) as redis:
                    return redis.ask("PING") == b"PONG"  # LOADING is an error, and so another try
            except Failed:
                return False

        seconds = max(_STARTS_WITHIN_S, job.left())  # it loads before it answers
        with processes.server(argv, ready, folder, user, seconds), Connection(None, None, path, job.left()) as redis:
            yield redis


def _tried(source: Connection, target: Connection) -> None:
    """One key, put into the server and taken out again before all is emptied: an older one may know its format not.

    Raises Failed where the server refuses it.
    """
    for name in list(_counts(source))[:1]:
        source.ask("SELECT", name[2:])
        target.ask("SELECT", name[2:])
        key = source.ask("RANDOMKEY")
        value = None if key is None else source.ask("DUMP", key)
        if value is not None:
            trial = f"upkeep-trial-{os.urandom(8).hex()}"
            target.ask("RESTORE", trial, _TRIAL_MS, value)
            target.ask("DEL", trial)


def _moved(source: Connection, target: Connection, keys: List[bytes]) -> None:
    for key in keys:
        source.send(("DUMP", key), ("PTTL", key))
        value, lives_ms = source.answer(), source.answer()
        if value is not None:
            target.ask("RESTORE", key, max(0, lives_ms), value, "REPLACE")
