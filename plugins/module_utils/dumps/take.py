# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All dumps of a set, into a private folder that is gone afterwards, whatever happens."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, state
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import model, processes
from .model import Dump, Failed, Job, Unavailable
from .registry import ENGINES


def parsed(dumps: Iterable[Dict[str, Any]], secrets: Dict[str, Any]) -> List[Dump]:
    """What a set asks for, checked before anything starts. Raises UpkeepError bad_parameter, secret_missing."""
    found = model.parse(dumps, ENGINES, secrets)
    for dump in found:
        ENGINES[dump.engine].check(dump)
        processes.account(dump.run_as)
    return found


def expected(dumps: List[Dump]) -> List[Dict[str, Any]]:
    """What check mode can say of them."""
    return [{**dict.fromkeys(model.SUMMARY), "name": dump.name, "engine": dump.engine} for dump in dumps]


def spool_of(name: str, dest: str) -> str:
    """Where the dumps of a set are written, below the state folder; private to that set and its archive."""
    slug = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
    return os.path.join(state.state_dir(), "dumps", f"{slug}-{hashlib.sha256(os.fsencode(dest)).hexdigest()[:12]}")


@contextlib.contextmanager
def taken(
    dumps: Iterable[Dict[str, Any]], secrets: Dict[str, Any], spool: str
) -> Iterator[Tuple[List[Dict[str, Any]], str]]:
    """Dump all; gives (a document for each file, the folder `<spool>/.upkeep-dumps` that holds files and list).

    What a killed run left in `spool` is removed before, and everything afterwards. Raises UpkeepError bad_parameter,
    secret_missing, dumps_locked, no_space, io_error, and dump_failed, whose message holds no secret.
    """
    asked = parsed(dumps, secrets)
    if not asked:
        raise UpkeepError("bad_parameter", "dumps: none is named.", option="dumps")
    atomic.make_folder(spool)
    os.chmod(spool, 0o700)
    lock = os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(lock, spool)
        folder = os.path.join(spool, model.FOLDER)
        try:
            _remove(folder)
            os.mkdir(folder, 0o700)
            yield _all(asked, secrets, folder), folder
        finally:
            _remove(folder)
            with contextlib.suppress(OSError):
                os.rmdir(spool)
    finally:
        os.close(lock)


def _all(dumps: List[Dump], secrets: Dict[str, Any], folder: str) -> List[Dict[str, Any]]:
    jobs = [Job(dump, secrets.get(dump.secret or ""), folder, time.monotonic() + dump.timeout) for dump in dumps]
    _require_room(jobs, secrets, folder)
    found = []
    for job in jobs:
        # its own time, which does not run while the others dump
        found += _one(job._replace(end=time.monotonic() + job.dump.timeout), secrets)
    with open(os.path.join(folder, model.LIST), "w", encoding="utf-8") as listed:  # noqa: PTH123
        os.fchmod(listed.fileno(), 0o600)
        json.dump({"schema": model.SCHEMA, "dumps": found}, listed, indent=1, sort_keys=True)
    return [{key: item[key] for key in model.SUMMARY} for item in found]


def _one(job: Job, secrets: Dict[str, Any]) -> List[Dict[str, Any]]:
    found = []
    with told(job, secrets):
        begin = time.monotonic()
        for item in ENGINES[job.dump.engine].take(job):
            os.chmod(os.path.join(job.folder, item["file"]), 0o600)
            item["bytes"] = os.path.getsize(os.path.join(job.folder, item["file"]))
            item["duration_ms"] = int((time.monotonic() - begin) * 1000)
            if item["bytes"] < job.dump.min_size and not item.get("accompanies"):
                raise Failed(f"{item['file']} has {item['bytes']} bytes, fewer than min_size {job.dump.min_size}")
            found.append(item)
            begin = time.monotonic()
        if not found:
            raise Failed("the server has no database to dump")
    return found


@contextlib.contextmanager
def told(
    job: Job, secrets: Dict[str, Any], code: str = "dump_failed", ends: str = "nothing was replaced"
) -> Iterator[None]:
    """Failures as the operator reads them: which dump, which program, why; never a secret."""
    dump = job.dump
    try:
        yield
    except Unavailable as lacking:
        message = f"dumps: {dump.name} ({dump.engine}) failed: {str(lacking).rstrip('.')}; {ends}."
        raise UpkeepError(code, message, dump=dump.name)
    except OSError as error:
        why = f"{error.filename or 'its file'}: {error.strerror or error}"
        raise UpkeepError(code, f"dumps: {dump.name} ({dump.engine}) failed: {why}; {ends}.", dump=dump.name)
    except Failed as failed:
        program = f"{failed.program} ended with {failed.code}: " if failed.code is not None else (
            f"{failed.program}: " if failed.program else ""
        )  # fmt: skip
        why = processes.scrub(failed.why, secrets.values()).rstrip(".")
        raise UpkeepError(
            code, f"dumps: {dump.name} ({dump.engine}) failed: {program}{why}; {ends}.", dump=dump.name,
            program=failed.program, rc=failed.code,
        )  # fmt: skip


def _require_room(jobs: List[Job], secrets: Dict[str, Any], folder: str) -> None:
    wanted = 0
    for job in jobs:
        with told(job, secrets):
            wanted += ENGINES[job.dump.engine].size(job) or 0
    info = os.statvfs(folder)
    free = info.f_bavail * info.f_frsize
    if free < wanted:
        message = f"dumps: {folder} has {free} bytes free, the dumps take about {wanted}; nothing was replaced."
        raise UpkeepError("no_space", message, free=free, required=wanted)


def _lock(fd: int, spool: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"dumps: another run is dumping into {spool} right now; wait for it to end."
        raise UpkeepError("dumps_locked", message, path=spool)


def _remove(folder: str) -> None:
    if os.path.lexists(folder):
        shutil.rmtree(folder)
