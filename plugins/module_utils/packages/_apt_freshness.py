# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old apt's lists are, and renewing them.

The time of the last refresh is not kept by apt. An InRelease file carries the server's Last-Modified as its mtime, the
package cache is rebuilt for other reasons, and `partial/` is touched by failures too. What is left is honest: the lists
folder's own mtime (something new was moved into it), the stamps that success leaves (apt's periodic job, Ubuntu's
notifier), and our own note of a refresh.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from datetime import datetime
from typing import Any, Optional

from .. import atomic, state, times
from ..errors import UpkeepError
from ._apt_repositories import Repositories
from ._apt_view import Paths
from ._files import read_text
from ._locks import command_name, holder
from ._refresh_note import Refresh, without_secrets
from ._run import run
from .model import Metadata

LOCK_WAIT = 60
REFRESH_TIMEOUT = 600
_FAILURE = re.compile(r"^[EW]: ((?:Failed to fetch|The repository|GPG error|An error occurred).*)$", re.MULTILINE)
_LOCKED = "Could not get lock"


def last_refresh(paths: Paths) -> Optional[float]:
    """Seconds since the epoch of the last known refresh, None when there never was one."""
    note = _read_note(paths)
    candidates = [
        note.get("succeeded_at"),
        _mtime(os.path.join(paths.state, "periodic", "update-success-stamp")),
        _mtime(paths.lists) if _has_lists(paths) else None,
    ]
    return max((value for value in candidates if isinstance(value, (int, float))), default=None)


def judge(
    paths: Paths, repositories: Repositories, max_age: int, now: datetime, refresh: Optional[Refresh]
) -> Metadata:
    """The document's `metadata`.

    Stale: older than `max_age` seconds, a repository without lists or past its validity, a refresh that failed.
    """
    when = last_refresh(paths)
    problems = list(repositories.problems)
    stale = bool(problems)
    failures = refresh.failures if refresh else _remembered_failures(paths)
    enabled = [model for model in repositories.models() if model.enabled]
    if failures:
        stale = True
        problems += failures
    if when is None:
        stale = True
        problems.append("The package lists were never fetched: run `apt-get update`.")
    elif now.timestamp() - when > max_age:
        stale = True
        problems.append(f"The package lists were last refreshed at {times.from_timestamp(when)}: run `apt-get update`.")
    if not enabled:
        stale = True
        problems.append(f"No repository is configured in {paths.sourcelist} or {paths.sourceparts}.")
    for model in enabled:
        if not model.fetched:
            stale = True
            problems.append(f"The repository {model.id} is configured but its package lists are not there.")
        elif model.valid_until and times.parse(model.valid_until) < now:
            stale = True
            problems.append(f"The repository {model.id} was valid until {model.valid_until} only.")
    if enabled and not any(model.security for model in enabled):
        problems.append("No configured repository is one for security updates.")
    return Metadata(
        refreshed_at=times.from_timestamp(when) if when is not None else None,
        refresh_ok=None if refresh is None else not refresh.failures,
        stale=stale,
        repositories=repositories.models(),
        problems=problems,
    )


def may_refresh(paths: Paths) -> bool:
    """Whether this user can renew the lists."""
    return os.access(paths.lists, os.W_OK)


def refresh(paths: Paths, lock_wait: int = LOCK_WAIT) -> Refresh:
    """Run `apt-get update`, waiting at most `lock_wait` seconds for whoever else does. Its failures are an answer."""
    before = _fingerprint(paths.lists)
    previous = last_refresh(paths)
    started = time.time()
    failures = _update(paths, time.monotonic() + lock_wait)
    changed = _fingerprint(paths.lists) != before
    # What did arrive moved the folder's mtime on; the lists as a whole are no newer than the last success.
    _write_note(paths, {"succeeded_at": previous if failures else started, "failures": failures})
    return Refresh(changed, failures)


def parse_failures(text: str) -> list[str]:
    """A sentence for each repository that `apt-get update` complains about."""
    found = []
    for match in _FAILURE.finditer(text):
        sentence = "Refresh: " + without_secrets(" ".join(match.group(1).split()))
        if sentence not in found:
            found.append(sentence)
    return found


def _update(paths: Paths, deadline: float) -> list[str]:
    lock = os.path.join(paths.lists, "lock")
    while True:
        try:
            # As an option rather than --error-on=any: older apts know neither, but only refuse the latter. Without it a
            # repository that does not answer is a warning and a zero exit code.
            result = run(
                ["apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "DPkg::Lock::Timeout=5"],
                timeout=REFRESH_TIMEOUT,
                allow=tuple(range(256)),
            )
        except UpkeepError as error:
            return [f"Refresh: {error.message}"]
        failures = parse_failures(result.stderr + "\n" + result.stdout)
        if _LOCKED not in result.stderr:
            break
        if time.monotonic() > deadline:
            return [f"Refresh: the lock {lock} is held by {_who(lock)}; waited {LOCK_WAIT} seconds for it."]
        time.sleep(1)
    if result.rc and not failures:
        said = next((line for line in result.stderr.splitlines() if line.startswith("E:")), "it does not say why")
        return [f"Refresh: apt-get update failed with exit code {result.rc}: {without_secrets(said)}"]
    return failures


def _who(lock: str) -> str:
    try:
        pid = holder(lock)
    except OSError:
        pid = None
    return f"process {pid} ({command_name(pid)})" if pid else "another process"


def _remembered_failures(paths: Paths) -> list[str]:
    """What the last refresh of ours failed at, as long as nothing shows that somebody else succeeded since."""
    note = _read_note(paths)
    failures = note.get("failures")
    if not isinstance(failures, list) or note.get("lists") != _mtime(paths.lists):
        return []
    stamp = _mtime(os.path.join(paths.state, "periodic", "update-success-stamp")) or 0
    return [str(line) for line in failures] if stamp <= (note.get("made") or 0) else []


def note_path(paths: Paths) -> str:
    """Where the outcome of the last refresh is remembered."""
    # One note a lists folder: an apt with a root of its own (APT_CONFIG) does not speak for the system's.
    return os.path.join(
        state.state_dir(), "patch_level", f"refresh-{hashlib.sha256(paths.lists.encode()).hexdigest()[:12]}.json"
    )


def _read_note(paths: Paths) -> dict[str, Any]:
    try:
        note = json.loads(read_text(note_path(paths)))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(paths: Paths, note: dict[str, Any]) -> None:
    # Only a memory: where it cannot be written, the next run knows less, and this one is none the worse.
    with contextlib.suppress(OSError):
        atomic.write_json(note_path(paths), {**note, "made": time.time(), "lists": _mtime(paths.lists)})


def _fingerprint(folder: str) -> set[tuple[str, int, int]]:
    """Name, size and mtime_ns of what lies in the lists folder (`file:` repositories have links there)."""
    found = set()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file() and entry.name != "lock":
                status = entry.stat()
                found.add((entry.name, status.st_size, status.st_mtime_ns))
    return found


def _has_lists(paths: Paths) -> bool:
    return any("Packages" in name for name, _size, _mtime_ns in _fingerprint(paths.lists))


def _mtime(path: str) -> Optional[float]:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
