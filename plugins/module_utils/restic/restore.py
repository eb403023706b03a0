# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real restore of a snapshot, over what is there; files that the snapshot does not know stay."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import call, exits, snapshots
from .call import Session
from .compare import DUMPS, in_scope, pattern
from .drill import Request, absolute, opened_for

MAX_LISTED = 1000
_BROUGHT = ("restored", "updated")
# Ours, and restic's own.
_OVERWRITE = {"always": "always", "older": "if-newer", "never": "never"}


def run(request: Request, check: bool = False, diff: bool = False) -> Dict[str, Any]:
    """Restore. Returns {"changed", "data", "diff" where asked for}; `data` is described in `restore_restic`.

    With `check` nothing is restored. Raises UpkeepError: bad_parameter, secret_missing, restic_missing, restic_too_old,
    archive_missing, path_missing, archive_damaged, io_error, and those of `exits`.
    """
    paths, repository = absolute(request.paths), opened_for(request)
    dest = os.path.abspath(request.dest or "/")
    try:
        with call.opened(repository, changes=not check) as session:
            return _restored(session, request, paths, dest, check, diff)
    except OSError as error:
        raise UpkeepError("io_error", f"{error.filename or dest}: {error.strerror or error}.")


def _restored(
    session: Session, request: Request, paths: List[str], dest: str, check: bool, diff: bool
) -> Dict[str, Any]:
    started, clock = times.now(), time.monotonic()
    snapshot = snapshots.chosen(session, request.host or os.uname().nodename, request.name, request.at)
    entries, dumps = _looked_at(session, snapshot, paths)
    how = [word for path in paths for word in ("--include", pattern(path))]
    if dumps and not paths and not request.load_dumps:
        how += ["--exclude", pattern(dumps)]
    how += ["--overwrite", _OVERWRITE[request.overwrite or "always"]]
    how += ["--dry-run"] if check else ["--verify"]
    answer = session.call(
        "restore", snapshot["id"], "--target", dest, "-vv", *how, ok=(exits.OK, exits.FAILED)
    )  # fmt: skip
    if answer.code:
        here = session.repository
        damaged = exits.failure(answer.code, "restore", here.shown, answer.said)
        items = list(dict.fromkeys(str(error["item"]) for error in answer.errors if error.get("item")))[:MAX_LISTED]
        raise UpkeepError("archive_damaged" if items else damaged.code, damaged.message, corrupt_files=items)
    brought, content, listed = 0, 0, []
    for one in answer.documents("verbose_status"):
        if one.get("action") in _BROUGHT:
            brought += 1
            content += one["action"] == "updated" or bool(one.get("size"))
            if diff and len(listed) < MAX_LISTED:
                listed.append(f"~ {one['item']}")
    summary = answer.summary()
    document = {
        "backup": request.name, "engine": "restic", "repository": session.repository.shown,
        "snapshot_id": snapshot["id"], "created": snapshots.created(snapshot),
        "archive_created": snapshots.created(snapshot), "counts": {"restored": brought},
        "status": "incomplete" if snapshot.get("incomplete") else "ok", "predicted": check, "entries": entries,
        "restored": brought, "bytes": summary.get("total_bytes", 0) + summary.get("bytes_skipped", 0), "dest": dest,
        "paths": paths, "verified": not check, "started": times.iso(started), "finished": times.iso(times.now()),
        "duration_ms": int((time.monotonic() - clock) * 1000),
    }  # fmt: skip
    document["holds_dumps"] = dumps is not None
    if dumps and not paths and request.load_dumps:
        document["dumps_folder"] = os.path.join(dest, dumps.lstrip("/"))
    # Folders and links are put in place anew each time: only contents say whether anything differed.
    result: Dict[str, Any] = {"changed": bool(content), "data": document}
    if diff:
        after = "".join(line + "\n" for line in listed)
        result["diff"] = {"before_header": dest, "after_header": "what is restored", "before": "", "after": after}
    return result


def _looked_at(session: Session, snapshot: Dict[str, Any], paths: List[str]) -> Any:
    """(how many entries are in scope, the folder of the dumps or None). Raises UpkeepError path_missing."""
    entries, dumps, found = 0, None, set()
    for node in session.call("ls", snapshot["id"]).documents("node"):
        if node["path"] in paths:
            found.add(node["path"])
        if node["name"] == DUMPS and node["type"] == "dir":
            dumps = node["path"]
        entries += in_scope(node["path"], paths)
    missing = [path for path in paths if path not in found]
    if missing:
        message = f"paths: the snapshot {snapshot['id'][:8]} of {snapshots.created(snapshot)} holds no {missing[0]}."
        raise UpkeepError("path_missing", message, option="paths", missing=missing)
    return entries, dumps
