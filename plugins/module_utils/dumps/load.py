# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drill's load test: every dump into a scratch server, its rows counted, the server gone."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict, Iterable, List

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import FAILED, LIST, LOADED, NOT_CHECKED, NOT_WANTED, SCHEMA, Dump, Failed, Job, Unavailable, not_loaded
from .registry import ENGINES
from .take import parsed


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

    `dumps` is how the set asks for them today: it says what is not to be loaded, and only it names programs to run.
    `status` is loaded, failed, not_checked (this host lacks what it takes) or not_wanted. Raises UpkeepError
    bad_parameter, dumps_unreadable.
    """
    asked = {dump.name: dump for dump in parsed([{**dump, "secret": None} for dump in dumps], {})}
    groups: Dict[str, List[Dict[str, Any]]] = {}
    for item in listed(folder):
        groups.setdefault(item["name"], []).append(item)
    found: List[Dict[str, Any]] = []
    for name, items in groups.items():
        found += _group(asked.get(name) or Dump(name, items[0]["engine"]), items, folder, scratch)
    return found


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


def failures(results: Iterable[Dict[str, Any]]) -> List[str]:
    """A sentence for each dump that did not load as it was taken."""
    return [f"{called(result)}: {result['why']}" for result in results if result["status"] == FAILED]


def left_out(results: Iterable[Dict[str, Any]]) -> List[Dict[str, str]]:
    """What was not tested, and why."""
    skipped = [result for result in results if result["status"] not in (LOADED, FAILED)]
    return [{"what": f"that the dump {called(result)} loads", "why": result["why"]} for result in skipped]


def called(item: Dict[str, Any]) -> str:
    return item["name"] if item["database"] is None else f"{item['name']} ({item['database']})"
