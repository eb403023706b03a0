# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a dump is: as the operator asked for it, as it was taken, and as it was loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence
from urllib.parse import quote

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

FOLDER = ".upkeep-dumps"  # in the archive: reserved, never put in place among the files
LIST = "dumps.json"
SCHEMA = "upkeep.dumps/1"
# Of a taken dump, what the backup's document says; the list in the archive also has the counts, table by table.
SUMMARY = ("name", "engine", "database", "file", "bytes", "tables", "rows", "counts_exact", "server", "duration_ms")
LOADED, FAILED, NOT_CHECKED, NOT_WANTED = "loaded", "failed", "not_checked", "not_wanted"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LISTS = ("databases", "argv", "load_argv", "options")
_NUMBERS = ("port", "timeout")
_LONGEST = 120  # bytes of a database's name in a file's name, which has at most 255


class Dump(NamedTuple):
    """One item of a set's `dumps`, as the documentation of `backup_archive` describes it. `min_size` is in bytes."""

    name: str
    engine: str
    databases: Sequence[str] = ()
    path: Optional[str] = None
    argv: Sequence[str] = ()
    load_argv: Sequence[str] = ()
    host: Optional[str] = None
    port: Optional[int] = None
    socket: Optional[str] = None
    user: Optional[str] = None
    secret: Optional[str] = None
    run_as: Optional[str] = None
    options: Sequence[str] = ()
    timeout: int = 3600
    min_size: int = 1
    trailer: Optional[str] = None
    load_test: bool = True


class Failed(Exception):
    """A dump or a load did not work. `why` may quote a program: it is scrubbed before anybody reads it."""

    def __init__(self, why: str, program: str = "", code: Optional[int] = None) -> None:
        super().__init__(why)
        self.why, self.program, self.code = why, program, code


class Unavailable(Exception):
    """What a load test needs is not on this host; the text says what to install."""


class Job(NamedTuple):
    """A dump, or a load, under way: its files lie in `folder`, and it must be done by `end` (monotonic seconds)."""

    dump: Dump
    secret: Optional[str]
    folder: str
    end: float

    def new(self, file: str) -> str:
        """The path of `file`, made empty. Raises Failed where another dump has that name."""
        path = os.path.join(self.folder, file)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise Failed(f"another dump has the file name {file} already; give this one another name")
        return path

    def left(self) -> float:
        """Seconds that remain. Raises Failed where there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise Failed(f"it was not done after {self.dump.timeout} s (timeout)")
        return seconds


def parse(given: Iterable[Dict[str, Any]], engines: Iterable[str], secrets: Dict[str, Any]) -> List[Dump]:
    """The dumps of a set. Raises UpkeepError bad_parameter, secret_missing."""
    dumps: List[Dump] = []
    for number, item in enumerate(given, start=1):
        dump = _parsed(number, item, sorted(engines))
        if dump.name in (other.name for other in dumps):
            raise wrong(f"two are named {dump.name}")
        if dump.secret is not None and not secrets.get(dump.secret):
            raise UpkeepError(
                "secret_missing",
                f"dumps: {dump.name} names the secret {dump.secret}, which is not there; put it into backup_secrets.",
                option="dumps",
                secret=dump.secret,
            )
        dumps.append(dump)
    return dumps


def _parsed(number: int, item: Any, engines: List[str]) -> Dump:
    if not isinstance(item, dict):
        raise wrong(f"number {number} is not a dictionary")
    values = {key: value for key, value in item.items() if value is not None}
    unknown = sorted(set(values) - set(Dump._fields))
    name = values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong(f"number {number} needs a name of letters, digits, dots, dashes and underscores")
    if unknown:
        raise wrong(f"{name} has no option {unknown[0]}")
    if values.get("engine") not in engines:
        raise wrong(f"{name} needs an engine, one of {', '.join(engines)}")
    for key in _LISTS:
        value = values.get(key, [])
        if not isinstance(value, (list, tuple)) or not all(isinstance(part, (str, int, float)) for part in value):
            raise wrong(f"{name}: {key} must be a list of texts")
        values[key] = [str(part) for part in value]
    for key in _NUMBERS:
        value = values.get(key, 1)
        if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
            raise wrong(f"{name}: {key} must be a positive whole number")
        if key in values:
            values[key] = int(value)
    if "min_size" in values:
        values["min_size"] = size_of(values["min_size"], name)
    values["load_test"] = str(values.get("load_test", True)).lower() in ("true", "yes", "on", "1")
    return Dump(**values)


def size_of(text: Any, name: str) -> int:
    """`10K` as bytes. Raises UpkeepError bad_parameter."""
    match = _SIZE.fullmatch(str(text).strip())
    if not match:
        raise wrong(f"{name}: min_size {text} is not a size such as 10K")
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def wrong(why: str) -> UpkeepError:
    return UpkeepError("bad_parameter", f"dumps: {why}.", option="dumps")


def file_name(dump: Dump, database: Optional[str], suffix: str) -> str:
    """The dump's name in the archive: whatever a database is called, it stays in the folder, and is no other's.

    Neither a dump's name nor quoting yields `=`, and what is cut ends in a hash.
    """
    if not database:
        return f"{dump.name}.{suffix}"
    part = quote(database, safe="")
    if len(part) > _LONGEST:
        part = f"{part[:_LONGEST]}={hashlib.sha256(json.dumps([dump.name, database]).encode()).hexdigest()[:16]}"
    return f"{dump.name}={part}.{suffix}"


def taken(dump: Dump, database: Optional[str], file: str, server: str, counts: Optional[Dict[str, int]],
          exact: bool = True, **more: Any) -> Dict[str, Any]:  # fmt: skip
    """A dump as the list in the archive has it; `take` adds its size and how long it took."""
    return {
        "name": dump.name, "engine": dump.engine, "database": database, "file": file, "server": server,
        "tables": None if counts is None else len(counts), "rows": None if counts is None else sum(counts.values()),
        "counts": counts, "counts_exact": exact and counts is not None, **more,
    }  # fmt: skip


def loaded(item: Dict[str, Any], counts: Optional[Dict[str, int]]) -> Dict[str, Any]:
    """What came of loading `item`: its counts beside those of the dump."""
    expected = item.get("counts")
    differences = [] if counts is None or expected is None else _differences(expected, counts)
    ok = not differences or not (item.get("counts_exact") or _far_off(item, counts or {}))
    return {
        **_about(item, LOADED if ok else FAILED), "ok": ok,
        "tables": None if counts is None else len(counts), "rows": None if counts is None else sum(counts.values()),
        "differences": differences[:100], "why": None if ok else f"{len(differences)} tables differ: {differences[0]}",
    }  # fmt: skip


def not_loaded(item: Dict[str, Any], status: str, why: str) -> Dict[str, Any]:
    return {**_about(item, status), "ok": False if status == FAILED else None, "tables": None, "rows": None,
            "differences": [], "why": why}  # fmt: skip


def _about(item: Dict[str, Any], status: str) -> Dict[str, Any]:
    return {"name": item["name"], "engine": item["engine"], "database": item["database"], "status": status,
            "rows_expected": item["rows"], "duration_ms": 0}  # fmt: skip


def _differences(expected: Dict[str, int], found: Dict[str, int]) -> List[str]:
    lines = []
    for table in sorted({*expected, *found}):
        before, now = expected.get(table), found.get(table)
        if before != now:
            lines.append(f"{table}: {_rows(now)}, {_rows(before)} were dumped")
    return lines


def _far_off(item: Dict[str, Any], counts: Dict[str, int]) -> bool:
    """Whether other rows were loaded than can have been there, where the dump's counts are from before and after it."""
    if item.get("counts_after") is None or item.get("counts") is None:
        return False
    found = sum(counts.values())
    low, high = sorted((sum(item["counts"].values()), sum(item["counts_after"].values())))
    return (found == 0 < low) or found < low - max(1, low // 10) or found > high + max(1, high // 10)


def _rows(count: Optional[int]) -> str:
    return "not there" if count is None else f"{count} rows"
