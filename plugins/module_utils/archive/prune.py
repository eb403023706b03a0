# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remove what retention does not keep from an archive's history, and say what stayed and why."""

from __future__ import annotations

import os
import time
from typing import Any, Collection, Dict, List, Mapping, Optional

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import history, previous, retention
from .destination import Destination, write_error

SCHEMA = "upkeep.pruned/1"
_TOLD = ("created", "archive", "sha256", "bytes", "files", "current", "why")


def run(
    name: str,
    dest: str,
    rules: Mapping[str, int],
    at_least: int = 1,
    max_size: Optional[int] = None,
    verified: Collection[str] = (),
    check: bool = False,
    ahead: bool = False,
) -> Dict[str, Any]:
    """Prune. Returns upkeep.pruned/1; `status` is `skipped`, with a `reason`, where the archive at dest is not whole.

    With `check` nothing is removed; with `ahead` as well, it says what would be once a backup has written a new
    archive, which is taken to be as big as the one at dest, and is not among what is `kept`.

    Raises UpkeepError: bad_parameter, dest_locked, history_unreadable, history_unwritable.
    """
    numbers = {**{f"keep_{rule}": number for rule, number in rules.items()}, "max_size": max_size or 0}
    for option, number in numbers.items():
        if number < 0:
            raise UpkeepError("bad_parameter", f"{option}: {number} is less than nothing.", option=option)
    if at_least < 1:
        raise UpkeepError("bad_parameter", "keep_at_least: the archive at dest always stays, so 1 at least.")
    started = time.monotonic()
    dest = os.path.abspath(dest)
    place = Destination(os.path.join(os.path.realpath(os.path.dirname(dest)), os.path.basename(dest)))
    document: Dict[str, Any] = {
        "schema": SCHEMA, "backup": name, "archive": place.archive, "status": "ok", "reason": None, "removed": [],
        "kept": [], "foreign": [], "swept": [], "freed": 0, "predicted": check,
    }  # fmt: skip
    try:
        with place.held():
            _prune(document, place, name, (rules, at_least, max_size, verified), check, check and ahead)
    except OSError as error:
        folder = history.folder_of(place.archive)
        message = f"{write_error(error, error.filename or folder).message} {_so_far(document)}"
        raise UpkeepError("history_unwritable", message, data=document)
    document["duration_ms"] = int((time.monotonic() - started) * 1000)
    return document


def _prune(
    document: Dict[str, Any], place: Destination, name: str, how: tuple, check: bool, ahead: bool = False
) -> None:
    there = history.listed(place.archive, name)
    foreign = history.foreign(place.archive, there)
    is_whole = any(one["current"] for one in there) and previous.is_whole(place, name)
    if ahead:
        there = _after_the_next(there, is_whole, place.archive)
    elif not is_whole:
        document.update(
            status="skipped",
            reason=f"the archive {place.archive} is not there whole, with its manifest, as a backup of {name}: nothing "
            "is removed before the next complete backup",
            history=history.summary(place.archive, name),
        )
        return
    folder = history.folder_of(place.archive)
    rules, at_least, max_size, verified = how
    kept, gone = retention.plan(there, rules, at_least, max_size, verified)
    stays = [one for one in gone if os.path.dirname(one["archive"]) != folder]
    gone = [one for one in gone if one not in stays]
    kept = [one for one in kept if one["sha256"]]
    kept += [dict(one, why="it lies beside dest, not in its history: remove it by hand") for one in stays]
    document["kept"] = [_told(one) for one in kept]
    document["foreign"] = foreign
    if not check:
        document["swept"] = [os.path.basename(path) for path in history.sweep(place.archive, name)]
        document["foreign"] = [each for each in document["foreign"] if each not in document["swept"]]
    for one in reversed(gone):  # the oldest first: a cut leaves what is closest to the rules
        if not check:
            history.remove(one)
        document["removed"].insert(0, _told(one))
        document["freed"] += one["bytes"]
    document["history"] = history.summary(place.archive, name)


def _after_the_next(there: List[Dict[str, Any]], is_whole: bool, archive: str) -> List[Dict[str, Any]]:
    """What there will be when the next archive, which has no sha256 yet, has taken the place of the one at dest."""
    older = [one for one in there if not one["current"]]
    last = [history.as_older(one) for one in there if one["current"] and is_whole]
    size = max([one["bytes"] for one in last], default=0)
    following = {"created": times.iso(times.now()), "archive": archive, "sha256": "", "bytes": size, "current": True}
    return [following, *last, *older]


def _told(one: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: one[key] for key in _TOLD}


def _so_far(document: Dict[str, Any]) -> str:
    done = len(document["removed"])
    return f"{done} archive{'s were' if done != 1 else ' was'} removed before that."


def diff(document: Mapping[str, Any]) -> Dict[str, str]:
    """For Ansible's diff mode: a line an archive, `=` stays, `-` goes, and why."""
    marked = [("=", one) for one in document["kept"]] + [("-", one) for one in document["removed"]]
    marked.sort(key=lambda each: each[1]["created"], reverse=True)
    lines = "".join(f"{sign} {one['archive']} of {one['created']}: {one['why']}\n" for sign, one in marked)
    folder = history.folder_of(document["archive"])
    return {"before_header": folder, "after_header": "what is kept", "before": "", "after": lines}
