# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drill's load test: every dump into a scratch server, its rows counted, the server gone."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, Iterable, List, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import FAILED, LIST, LOADED, NOT_CHECKED, NOT_WANTED, SCHEMA, Dump, Failed, Job, Unavailable, not_loaded
from .registry import ENGINES
from .take import parsed

_NOT_NAMED = "the inventory names no dump of this name and engine today, and a dump may run what it contains"
_MISSING = "the archive holds no such dump, and the inventory names it; back up again, or take it from the inventory"


def listed(folder: str) -> List[Dict[str, Any]]:
    """The dumps that lie in `folder`, by the list beside them. Raises UpkeepError dumps_unreadable."""
    path = os.path.join(folder, LIST)
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            document = json.load(stream)
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']}")
        for item in document["dumps"]:
            if item["engine"] not in ENGINES or os.path.basename(item["file"]) != item["file"]:
                raise ValueError(f"{item['file']} is no dump")
        return document["dumps"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"dumps: the list of dumps {path} cannot be used ({error}); the archive is not as it was made."
        raise UpkeepError("dumps_unreadable", message, path=path)


def tested(folder: str, scratch: str, dumps: Iterable[Dict[str, Any]] = ()) -> List[Dict[str, Any]]:
    """Load what lies in `folder` (`.upkeep-dumps` of an archive); a document for each file, as in upkeep.restore/1.

    `dumps` is how the set asks for them today, and only those are loaded: a dump may run whatever it contains, so what
    the archive says of itself does not count. One that is asked for and not there has failed.
    `status` is loaded, failed, not_checked (nobody names it, or this host lacks what it takes) or not_wanted. Raises
    UpkeepError bad_parameter, dumps_unreadable.
    """
    asked = {(dump.name, dump.engine): dump for dump in parsed([{**dump, "secret": None} for dump in dumps], {})}
    groups: Dict[Tuple[str, str], List[Dict[str, Any]]] = {}
    for item in listed(folder) if os.path.lexists(folder) else []:
        groups.setdefault((item["name"], item["engine"]), []).append(item)
    found: List[Dict[str, Any]] = []
    for key, items in groups.items():
        if key in asked:
            found += _group(asked[key], items, folder, scratch)
        else:
            found += [not_loaded(item, NOT_CHECKED, _NOT_NAMED) for item in items]
    return found + missing(asked, groups)


def missing(asked: Iterable[Tuple[str, str]], there: Iterable[Tuple[str, str]]) -> List[Dict[str, Any]]:
    """A document for each (name, engine) that the archive lacks."""
    lacking = [key for key in asked if key not in set(there)]
    items = [{"name": name, "engine": engine, "database": None, "rows": None} for name, engine in lacking]
    return [not_loaded(item, FAILED, _MISSING) for item in items]


def _group(dump: Dump, items: List[Dict[str, Any]], folder: str, scratch: str) -> List[Dict[str, Any]]:
    if not dump.load_test:
        return [not_loaded(item, NOT_WANTED, "load_test is false") for item in items]
    job = Job(dump, None, folder, time.monotonic() + dump.timeout)
    found: List[Dict[str, Any]] = []
    begin = time.monotonic()
    try:
        for result in ENGINES[dump.engine].test(job, items, scratch):
            result["duration_ms"] = int((time.monotonic() - begin) * 1000)
            found.append(result)
            begin = time.monotonic()
    except Unavailable as lacking:
        return [not_loaded(item, NOT_CHECKED, str(lacking)) for item in items]
    except (Failed, OSError) as failed:
        why = failed.why if isinstance(failed, Failed) else str(failed)
        program = getattr(failed, "program", "")
        found += [not_loaded(item, FAILED, f"{program}: {why}" if program else why) for item in items[len(found) :]]
    return found


def failures(results: Iterable[Dict[str, Any]]) -> List[Tuple[str, str]]:
    """(dump_missing or dump_not_loaded, a sentence) for each dump that is not there or did not load as taken."""
    return [
        ("dump_missing" if result["why"] == _MISSING else "dump_not_loaded", f"{called(result)}: {result['why']}")
        for result in results
        if result["status"] == FAILED
    ]


def left_out(results: Iterable[Dict[str, Any]]) -> List[Dict[str, str]]:
    """What was not tested, and why."""
    skipped = [result for result in results if result["status"] not in (LOADED, FAILED)]
    return [{"what": f"that the dump {called(result)} loads", "why": result["why"]} for result in skipped]


def called(item: Dict[str, Any]) -> str:
    return item["name"] if item["database"] is None else f"{item['name']} ({item['database']})"
