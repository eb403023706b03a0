# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The snapshots of one host and set: how they are tagged, listed and chosen.

A snapshot that restic could not complete is tagged otherwise, so that it never passes for the last good one: it is no
parent of a later one, no rule counts it, and only its own id chooses it.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional
from urllib.parse import quote

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive.history import LATEST, moment
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .call import Session

OURS = "upkeep"
_ID = re.compile(r"[0-9a-f]{8,64}")
_FILES = "total_files_processed"
_DIRS = ("dirs_new", "dirs_changed", "dirs_unmodified")
_FRACTION = re.compile(r"\.(\d+)")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Snapshot = Dict[str, Any]


def complete_tag(name: str) -> str:
    return f"set={quote(name, safe=' ')}"  # a comma would end the tag


def incomplete_tag(name: str) -> str:
    return f"incomplete={quote(name, safe=' ')}"


def listed(session: Session, host: str, tag: str) -> List[Snapshot]:
    """The snapshots of a host under a tag, newest first. Raises UpkeepError."""
    answer = session.call("snapshots", "--host", host, "--tag", f"{OURS},{tag}")
    try:
        found = [one for one in answer.value() if one.get("id")]
    except (ValueError, TypeError, AttributeError):
        message = f"repository: the list of snapshots of {session.repository.shown} cannot be read."
        raise UpkeepError("restic_failed", message)
    return sorted(found, key=created, reverse=True)


def created(snapshot: Snapshot) -> str:
    return iso(snapshot["time"])


def iso(text: str) -> str:
    """A time of restic's (RFC 3339, any fraction and offset) as documents write it. ValueError."""
    return times.from_timestamp(nanoseconds(text) // 10**9)


def nanoseconds(text: str) -> int:
    """A time of restic's in nanoseconds since the epoch. ValueError."""
    match = _FRACTION.search(text)
    fraction = match.group(1) if match else ""
    whole = _FRACTION.sub("", text, count=1)
    when = datetime.strptime(whole.replace("Z", "+0000"), "%Y-%m-%dT%H:%M:%S%z") - _EPOCH
    return (when.days * 86400 + when.seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])


def counts(snapshot: Snapshot) -> Dict[str, int]:
    """{"files", "entries" (files and folders), "input_bytes", "bytes" (stored for it, compressed)} of a snapshot."""
    summary = snapshot.get("summary") or {}
    files = int(summary.get(_FILES, 0))
    return {
        "files": files,
        "entries": files + sum(int(summary.get(key, 0)) for key in _DIRS),
        "input_bytes": int(summary.get("total_bytes_processed", 0)),
        "bytes": int(summary.get("data_added_packed", summary.get("data_added", 0))),
    }


def chosen(session: Session, host: str, name: str, at: Optional[str]) -> Snapshot:
    """The snapshot that `at` means: the newest, the newest until a time or the end of a day, or one by its id.

    It has `incomplete: true` where restic could not complete it. Raises UpkeepError bad_parameter, archive_missing.
    """
    if at and at != LATEST and _ID.fullmatch(at):
        wanted, until = at, None
    else:
        wanted, until = None, None if at in (None, "", LATEST) else moment(at)
    there = listed(session, host, complete_tag(name))
    if wanted:
        partial = [dict(one, incomplete=True) for one in listed(session, host, incomplete_tag(name))]
        found = [one for one in there + partial if one["id"].startswith(wanted)]
    else:
        found = [one for one in there if until is None or created(one) <= until]
    if found:
        return found[0]
    known = [created(one) for one in there]
    known = known if len(known) <= 21 else [*known[:20], "…", known[-1]]
    which = (
        f"no snapshot {wanted}" if wanted else f"no complete snapshot made until {until}" if until else "no snapshot"
    )
    message = f"at: {session.repository.shown} has {which} of {name} of the host {host}; there are "
    raise UpkeepError("archive_missing", f"{message}{', '.join(known) or 'none at all'}.", at=at)
