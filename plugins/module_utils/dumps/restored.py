# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restore for real: the dumps of an archive, loaded into the operator's own servers."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import state, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import restore
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import load, model
from ._bench import private_folder
from .model import Dump, Failed, Job
from .registry import ENGINES
from .take import parsed, told

SCHEMA = "upkeep.loaded/1"
_BY_HAND = "only its program knows how it is loaded: restore it to a folder (dest), and load it by hand"
_ENDS = "what was loaded before it stays"


class Request(NamedTuple):
    """The parameters of `backup_load`, as its documentation describes them.

    In the place of an archive `extracted` may be there, what was brought out of one otherwise: the folder with the
    dumps, and {"backup", "archive", "archive_sha256", "archive_created"}.
    """

    archive: str
    manifest: Optional[str] = None
    dumps: Sequence[Dict[str, Any]] = ()
    only: Sequence[str] = ()
    databases: Sequence[str] = ()
    secrets: Optional[Dict[str, Any]] = None
    overwrite: str = "never"
    extracted: Optional[Tuple[str, Dict[str, Any]]] = None


class Result(NamedTuple):
    """`document` is upkeep.loaded/1; `failure` is set where its status is failed."""

    document: Dict[str, Any]
    changed: bool
    failure: Optional[UpkeepError] = None


def run(request: Request, check: bool = False) -> Result:
    """Load; with `check` only say what would be loaded, and into what.

    Raises UpkeepError for what ends it before anything is loaded: bad_parameter, secret_missing, dump_missing,
    load_refused, dumps_unreadable, and what a damaged or missing archive raises.
    """
    started, clock = times.now(), time.monotonic()
    asked = {dump.name: dump for dump in parsed(request.dumps, request.secrets or {})}
    secrets = request.secrets or {}
    with _extracted(request, check) as (folder, drill):
        items, by_hand = _split(_chosen(load.listed(folder), request), request)
        jobs = {item["name"]: _job(asked, item, folder, secrets) for item in items}
        occupied = [load.called(item) for item in items if _occupied(jobs[item["name"]], item, secrets)]
        if occupied and request.overwrite == "never":
            raise UpkeepError(
                "load_refused",
                f"dumps: {', '.join(occupied[:5])} hold data already; nothing was loaded. Set overwrite to always to "
                "have them replaced.", occupied=occupied,
            )  # fmt: skip
        results, failure = _load(items, jobs, occupied, secrets, check)
        results += [{**model.not_loaded(item, model.NOT_CHECKED, _BY_HAND), "action": "none"} for item in by_hand]
    reason = f"not loaded: {', '.join(load.called(item) for item in by_hand)}: {_BY_HAND}" if by_hand else None
    status = "failed" if failure else "incomplete" if by_hand else "ok"
    document = {
        "schema": SCHEMA, "backup": drill["backup"], "archive": drill["archive"],
        "archive_sha256": drill["archive_sha256"], "archive_created": drill["archive_created"],
        "status": status, "reason": failure.message if failure else reason, "predicted": check,
        "overwrite": request.overwrite,
        "dumps": results, "started": times.iso(started), "finished": times.iso(times.now()),
        "duration_ms": int((time.monotonic() - clock) * 1000), "tool": {"collection": VERSION},
    }  # fmt: skip
    return Result(document, any(item["action"] != "none" for item in results), failure)


def _load(items: List[Dict[str, Any]], jobs: Dict[str, Job], occupied: List[str], secrets: Dict[str, Any],
          check: bool) -> Any:  # fmt: skip
    """(what came of each, the first failure)."""
    results: List[Dict[str, Any]] = []
    for item in items:
        replaces = load.called(item) in occupied
        action = "replaced" if replaces else "created"
        if check:
            results.append({**model.not_loaded(item, model.NOT_CHECKED, "check mode"), "action": action})
            continue
        begin = time.monotonic()
        job = jobs[item["name"]]._replace(end=begin + jobs[item["name"]].dump.timeout)
        try:
            with told(job, secrets, "dump_not_loaded", _ENDS):
                result = ENGINES[item["engine"]].load(job, item, replaces)
                if result["status"] == model.FAILED:
                    raise Failed(f"{load.called(item)}: {result['why']}")
        except UpkeepError as failure:
            failed = model.not_loaded(item, model.FAILED, failure.message)
            return [*results, {**failed, "action": action}], failure
        result["duration_ms"] = int((time.monotonic() - begin) * 1000)
        results.append({**result, "action": action})
    return results, None


def _job(asked: Dict[str, Dump], item: Dict[str, Any], folder: str, secrets: Dict[str, Any]) -> Job:
    dump = asked.get(item["name"]) or Dump(item["name"], item["engine"])
    if dump.engine != item["engine"]:
        raise model.wrong(f"{dump.name} is a dump of {item['engine']}, not of {dump.engine}")
    return Job(dump, secrets.get(dump.secret or ""), folder, time.monotonic() + dump.timeout)


def _occupied(job: Job, item: Dict[str, Any], secrets: Dict[str, Any]) -> bool:
    with told(job, secrets, "dump_not_loaded", "nothing was loaded"):
        return ENGINES[item["engine"]].occupied(job, item)


def _chosen(items: List[Dict[str, Any]], request: Request) -> List[Dict[str, Any]]:
    """What accompanies the databases of a dump (PostgreSQL's roles) goes with them, and before them."""
    names, databases = set(request.only), set(request.databases)
    found = [item for item in items if not names or item["name"] in names]
    found = [item for item in found if not databases or item.get("accompanies") or item["database"] in databases]
    missing = sorted(names - {item["name"] for item in items})
    missing += sorted(databases - {item["database"] for item in found})
    if missing or not found:
        held = ", ".join(sorted({load.called(item) for item in items}))
        message = f"dumps: the archive has no dump {', '.join(missing) or 'at all'}; it holds {held or 'none'}."
        raise UpkeepError("dump_missing", message)
    return found


def _split(items: List[Dict[str, Any]], request: Request) -> Any:
    """(what can be loaded, what only a person can load). Raises UpkeepError where the latter was asked for by name."""
    by_hand = [item for item in items if not ENGINES[item["engine"]].loads]
    if named := [item["name"] for item in by_hand if item["name"] in request.only]:
        raise model.wrong(f"{named[0]}: {_BY_HAND}")
    return [item for item in items if item not in by_hand], by_hand


@contextlib.contextmanager
def _extracted(request: Request, check: bool) -> Iterator[Any]:
    """(the folder with the dumps, what the extraction says), read and verified; in check mode the list alone."""
    if request.extracted is not None:
        yield request.extracted
        return
    with private_folder(state.ensure("dumps"), "load-") as parent:
        folder = os.path.join(parent, "archive")  # which the extraction locks for itself
        scope = f"{model.FOLDER}/{model.LIST}" if check else model.FOLDER
        done = restore.run(
            restore.Request(
                request.archive, request.manifest, mode="extract", dest=folder, paths=[scope], keep=True, dumps=None
            )
        )
        if done.failure is not None:
            if done.failure.code == "path_missing":
                raise UpkeepError("dump_missing", f"dumps: {request.archive} holds no dumps; choose another archive.")
            raise done.failure
        yield os.path.join(folder, model.FOLDER), done.document
