# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host remembers of its patch runs, so that a later run, even of another controller, can go on.

    patch/claim.json               who works on this host (`claim`)
    patch/runs/<patch_id>/plan.json state.json before.json
    patch/runs/<patch_id>/new/ kept/        packages fetched, and the versions that they replace
    patch/runs/<patch_id>/apply/ back/      a job each (`job`)

Below the state folder; root's alone (0700, files 0600), each file there whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .. import atomic, state, times
from ..errors import UpkeepError

SCHEMA = "upkeep.patch_state/1"
STAGES = (
    "begun", "planned", "protected", "applying", "applied", "restarted", "verified", "rolling_back", "ended",
)  # fmt: skip
UNCHANGED_STAGES = ("begun", "planned", "protected")  # in which no package was touched
_LOCK_WITHIN_S = 60
_HELD: List[int] = []
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def home() -> str:
    """`/var/lib/upkeep/patch`; not made here."""
    return state.under("patch")


class Folder:
    """The paths of one run. Raises UpkeepError bad_patch_id for what is no run id."""

    def __init__(self, patch_id: str) -> None:
        if not _ID.fullmatch(patch_id):
            raise UpkeepError(
                "bad_patch_id", f"patch_id: {patch_id!r} is no run id; one looks like 20261123T200102Z-4711."
            )
        self.patch_id = patch_id
        self.path = os.path.join(home(), "runs", patch_id)
        self.plan = os.path.join(self.path, "plan.json")
        self.state = os.path.join(self.path, "state.json")
        self.before = os.path.join(self.path, "before.json")
        self.new = os.path.join(self.path, "new")
        self.kept = os.path.join(self.path, "kept")

    def job(self, direction: str) -> str:
        """The folder of the job `apply` or `back`."""
        return os.path.join(self.path, direction)


def needs_root() -> None:
    """Raises UpkeepError needs_root."""
    if os.geteuid() != 0:
        raise UpkeepError("needs_root", "Only root can patch a host: set become: true, or connect as root.")


def load(path: str) -> Optional[Dict[str, Any]]:
    """A JSON object, None where there is no such file. Raises UpkeepError patch_unreadable."""
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            document = json.load(stream)
        if isinstance(document, dict):
            return document
        why = "it holds no JSON object"
    except FileNotFoundError:
        return None
    except OSError as error:
        why = str(error.strerror)
    except ValueError as error:
        why = str(error)
    raise unreadable(path, why)


def unreadable(path: str, why: str) -> UpkeepError:
    """What to say of a file of the host's memory that makes no sense."""
    return UpkeepError(
        "patch_unreadable",
        f"{path} cannot be read ({why}): look at the host, then move that file away and run the patch run again.",
        path=path,
    )


def save(path: str, document: Mapping[str, Any]) -> None:
    """`document` at `path`, atomically. Raises UpkeepError state_unwritable: then the file is as it was."""
    try:
        atomic.write_json(path, document)
    except OSError as error:
        raise unwritable(path, error)


def make(path: str) -> str:
    """The folder `path`, made 0700 where it is missing. Raises UpkeepError state_unwritable."""
    try:
        atomic.make_folder(path)
    except OSError as error:
        raise unwritable(path, error)
    return path


def unwritable(path: str, error: OSError) -> UpkeepError:
    """What to say when the host cannot remember the run."""
    return UpkeepError(
        "state_unwritable",
        f"{path} cannot be written ({error.strerror}): make room, or make it writable, and run the patch run again.",
        path=path,
    )


def state_of(patch_id: str) -> Dict[str, Any]:
    """The run's `upkeep.patch_state/1`. Raises UpkeepError unknown_run, patch_unreadable."""
    _known(patch_id, Folder(patch_id).state)
    return state_or_none(patch_id) or {}


def state_or_none(patch_id: str) -> Optional[Dict[str, Any]]:
    """The run's `upkeep.patch_state/1`; None of one that was killed before it wrote any.

    Raises UpkeepError patch_unreadable.
    """
    path = Folder(patch_id).state
    state = load(path)
    if state is None:
        return None
    wrong = [
        key
        for key, is_right in (
            ("patch_id", state.get("patch_id") == patch_id),
            ("stage", state.get("stage") in STAGES),
            ("run_ids", isinstance(state.get("run_ids"), list) and bool(state["run_ids"])),
            ("states", isinstance(state.get("states"), list)),
            ("drained", isinstance(state.get("drained"), bool)),
        )
        if not is_right
    ]
    if wrong:
        raise unreadable(path, f"its {wrong[0]} makes no sense")
    return state


def plan_of(patch_id: str) -> Dict[str, Any]:
    """The run's `upkeep.plan/1`. Raises UpkeepError unknown_run, patch_unreadable."""
    return _known(patch_id, Folder(patch_id).plan)


def before_of(patch_id: str) -> Dict[str, Any]:
    """What the host was like before the run. Raises UpkeepError unknown_run, patch_unreadable."""
    return _known(patch_id, Folder(patch_id).before)


def _known(patch_id: str, path: str) -> Dict[str, Any]:
    found = load(path)
    if found is None:
        raise UpkeepError(
            "unknown_run",
            f"this host knows no {os.path.basename(path)} of the run {patch_id} (in {os.path.dirname(path)}); it "
            f"knows the runs: {', '.join(run_ids()) or 'none'}.",
            patch_id=patch_id,
        )
    return found


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """What two modules must not do at the same moment: claiming, starting a job, noting. Within itself it is free.

    A module whose connection dropped may still be at work. Raises UpkeepError state_unwritable, claimed (somebody holds
    it for a minute).
    """
    if _HELD:
        yield
        return
    path = os.path.join(make(home()), "lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unwritable(path, error)
    try:
        deadline = time.monotonic() + _LOCK_WITHIN_S
        while not _flock(handle):
            if time.monotonic() > deadline:
                raise UpkeepError("claimed", f"another patch run is just starting on this host (it holds {path}).")
            time.sleep(0.05)
        _HELD.append(handle)
        yield
    finally:
        _HELD[:] = []
        os.close(handle)


def _flock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note(patch_id: str, states: Optional[Sequence[Mapping[str, Any]]] = None, **changes: Any) -> Dict[str, Any]:
    """Write `changes` (keys of `upkeep.patch_state/1`) and the entries so far into the run's state; the new state.

    Raises UpkeepError unknown_run, patch_unreadable, state_unwritable.
    """
    if not os.path.exists(Folder(patch_id).path):
        state_of(patch_id)  # which raises: no lock's file is left on a host that knows no run
    with locked():
        known = state_of(patch_id)
        wanted = {**known, **changes, "states": known["states"] if states is None else [dict(each) for each in states]}
        if wanted != known:
            save(Folder(patch_id).state, wanted)
    return wanted


def new_state(patch_id: str, host: str, by: Mapping[str, Any]) -> Dict[str, Any]:
    """The state that a run begins with."""
    return {
        "schema": SCHEMA,
        "patch_id": patch_id,
        "host": host,
        "run_ids": [patch_id],
        "plan_sha256": None,
        "begun": times.iso(times.now()),
        "by": dict(by),
        "stage": "begun",
        "drained": False,
        "reboot": None,
        "states": [],
        "outcome": None,
        "ended": None,
    }


def run_ids() -> List[str]:
    """The runs that this host has a folder of, the oldest first (by their state's last change)."""
    top = os.path.join(home(), "runs")
    try:
        names = [name for name in os.listdir(top) if _ID.fullmatch(name)]
    except FileNotFoundError:
        return []
    return sorted(names, key=lambda name: (_changed(os.path.join(top, name)), name))


def _changed(path: str) -> float:
    for candidate in (os.path.join(path, "state.json"), path):
        with contextlib.suppress(OSError):
            return os.stat(candidate).st_mtime
    return 0.0


def remove(path: str) -> None:
    """A folder with all that is in it; what cannot be removed stays."""
    shutil.rmtree(path, ignore_errors=True)
