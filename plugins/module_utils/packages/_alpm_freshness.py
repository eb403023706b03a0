# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How old pacman's lists are, and refreshing a copy of them.

Never the host's own (`pacman -Sy`): the next `pacman -S something` would then upgrade partly, which Arch does not
support. As checkupdates does, a copy below Upkeep's state folder is refreshed, beside a link to what is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from datetime import datetime
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .. import atomic, state, times
from ..errors import UpkeepError
from ._alpm_config import Config, mtime, repositories
from ._files import line_or_none
from ._refresh_note import Refresh, without_secrets
from ._run import run
from .model import Metadata

TIMEOUT = 300  # seconds for all repositories together
LOCK_WAIT = 60
NO_SECURITY = (
    "pacman's repositories do not say which updates are security updates: `security` is false for all of them, and "
    "means nothing here."
)


def own_folder(dbpath: str) -> str:
    """Where the copy of this system's lists is kept: a database path like pacman's own."""
    name = hashlib.sha256(dbpath.encode()).hexdigest()[:12]
    return os.path.join(state.state_dir(), "patch_level", f"pacman-{name}")


def newest(dbpath: str) -> Tuple[str, Optional[float]]:
    """The database path whose lists are the fresher ones, the host's or our copy's, and when they were fetched."""
    own = own_folder(dbpath)
    note, host_time = _note(own), _fetched(dbpath)
    tried, succeeded = (note.get(name) for name in ("made", "succeeded_at"))
    when = max((each for each in (succeeded, host_time) if isinstance(each, (int, float))), default=None)
    # Even a refresh that failed in part left nothing older there than the host had then.
    ours = isinstance(tried, (int, float)) and tried > (host_time or 0) and os.path.isdir(os.path.join(own, "sync"))
    return (own if ours else dbpath), when


def judge(config: Config, max_age: int, now: datetime, refresh: Optional[Refresh]) -> Tuple[str, Metadata]:
    """The database path to read, and the document's `metadata`.

    Stale: older than `max_age` seconds, a repository without a database, a refresh that failed.
    """
    dbpath, when = newest(config.dbpath)
    own = own_folder(config.dbpath)
    problems = list(refresh.failures) if refresh else _remembered_failures(own, when)
    if when is None:
        problems.append("The package lists were never fetched completely: collect with refresh, or run `pacman -Syu`.")
    elif now.timestamp() - when > max_age:
        problems.append(f"The package lists were last refreshed at {times.from_timestamp(when)}: collect with refresh.")
    listed = repositories(config, dbpath)
    if not listed:
        problems.append(f"No repository is configured in {config.conf}.")
    problems += [
        f"The repository {repository.id} is configured but its package list is not there."
        for repository in listed
        if not repository.fetched
    ]
    metadata = Metadata(
        refreshed_at=None if when is None else times.from_timestamp(when),
        refresh_ok=None if refresh is None else not refresh.failures,
        stale=bool(problems),
        repositories=listed,
        problems=problems,
        tells_security=False,
    )
    return dbpath, metadata


def may_refresh() -> bool:
    """Whether this user can: pacman refreshes for root alone, or for whoever fakeroot makes look like it."""
    return os.geteuid() == 0 or shutil.which("fakeroot") is not None


def refresh(config: Config, lock_wait: int = LOCK_WAIT) -> Refresh:
    """Bring our copy up to date, waiting at most `lock_wait` seconds for another that does. Failures are an answer."""
    own = own_folder(config.dbpath)
    try:
        state.ensure("patch_level")
        atomic.make_folder(own)
        with _alone(own, lock_wait):
            before = _fetched(own)
            failures = _fetch(config, own)
            previous = _note(own).get("succeeded_at")
            _write_note(own, {"succeeded_at": previous if failures else time.time(), "failures": failures})
            return Refresh(_fetched(own) != before, failures)
    except OSError as error:
        return Refresh(False, [f"Refresh: {own} cannot be written: {error.strerror}."])
    except UpkeepError as error:
        return Refresh(False, [f"Refresh: {error.message}"])


def _fetch(config: Config, own: str) -> List[str]:
    """Refresh the copy; what is already in the host's own lists need not come again."""
    os.makedirs(os.path.join(own, "sync"), exist_ok=True)
    link = os.path.join(own, "local")
    if not os.path.islink(link):
        os.symlink(os.path.join(config.dbpath, "local"), link)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(own, "db.lck"))  # left by one that was killed: nobody else works here now
    for repository in config.repositories:
        host, ours = (os.path.join(folder, "sync", f"{repository}.db") for folder in (config.dbpath, own))
        if (mtime(host) or 0) > (mtime(ours) or 0):
            shutil.copy2(host, ours)
    argv = [*config.arguments(own), "-Sy", "--logfile", os.devnull]
    if major() >= 7:
        # Its sandbox fetches as a user who cannot enter our folder, which is closed to all but its owner.
        argv.append("--disable-sandbox")
    if os.geteuid() != 0:
        argv = ["fakeroot", "--", *argv]
    result = run(argv, timeout=TIMEOUT, allow=tuple(range(256)))
    if result.rc == 0:
        return []
    said = [line[7:] for line in result.stderr.splitlines() if line.startswith("error: ")]
    return [f"Refresh: {without_secrets(line)}" for line in said] or [f"Refresh: pacman -Sy ended with {result.rc}."]


def major() -> int:
    """pacman's own version, of `Pacman v6.0.2 - libalpm v13.0.2`."""
    found = re.search(r"Pacman v(\d+)", run(["pacman", "--version"]).stdout)
    return int(found.group(1)) if found else 0


@contextlib.contextmanager
def _alone(folder: str, wait: int) -> Iterator[None]:
    deadline = time.monotonic() + wait
    with open(os.path.join(folder, "refresh.lock"), "w") as handle:  # noqa: PTH123
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UpkeepError(
                        "refresh_locked", f"another refresh of {folder} runs; waited {wait} seconds for it."
                    )
                time.sleep(0.2)
        yield


def _fetched(dbpath: str) -> Optional[float]:
    """When lists last came: by ctime, for pacman gives them the server's mtime."""
    folder = os.path.join(dbpath, "sync")
    try:
        with os.scandir(folder) as entries:
            return max((entry.stat().st_ctime for entry in entries if entry.name.endswith(".db")), default=None)
    except OSError:
        return None


def _remembered_failures(own: str, when: Optional[float]) -> List[str]:
    """What the last refresh of ours failed at, as long as nothing was fetched since."""
    note = _note(own)
    failures, made = note.get("failures"), note.get("made")
    if not isinstance(failures, list) or not isinstance(made, (int, float)) or made < (when or 0):
        return []
    return [str(line) for line in failures]


def _note(own: str) -> Dict[str, Any]:
    try:
        note = json.loads(line_or_none(os.path.join(own, "refresh.json")) or "{}")
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(own: str, note: Dict[str, Any]) -> None:
    atomic.write_json(os.path.join(own, "refresh.json"), {**note, "made": time.time()})
