# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job: steps that run detached from whoever started them, and what can be told of them at any later time.

job.json      {"patch_id","run_id","name","unit","no_unit": why,"tries": [{"run_id","at","repair"}],"begun": how often
              it had begun before the last try, "steps","environment"}
runner.py     `runner`, by its source: what runs the steps, and describes the other files
journal.jsonl log
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import atomic, times
from ..errors import UpkeepError
from ..packages.transaction import Step
from . import folder, launch, runner

# No question is ever asked: there is nobody to answer it. needrestart's work is done by a state of the run of its own.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "C",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
    "SYSTEMD_PAGER": "",
}
_LINE = 512  # more than a journal's line takes
_BEGINS_WITHIN_S = 30
_TAIL = 256 << 10
_PAUSE = 0.2
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_ERROR = re.compile(r"^(dpkg: )?(error|E|failure|fatal)\b", re.IGNORECASE)


@dataclass
class Look:
    """A job as it is now. `job`: None (there is none), running, ok, failed or died (no end, and nobody runs it).

    `steps`: [{"name","rc","started","finished"}] of every try; `rc` is None for one that has no end. `failed_step`
    names the first that failed. `progress` is the last line that was said.
    """

    job: Optional[str]
    steps: List[Dict[str, Any]] = field(default_factory=list)
    failed_step: Optional[str] = None
    progress: str = ""
    unit: Optional[str] = None
    tries: List[Dict[str, Any]] = field(default_factory=list)

    def document(self) -> Dict[str, Any]:
        """As results have it."""
        return {"job": self.job, "steps": self.steps, "progress": self.progress, "unit": self.unit}


def unit_name(plan_sha256: str, name: str) -> str:
    """`upkeep-patch-<plan>`, and of the way back `upkeep-patch-<plan>-back`."""
    return f"upkeep-patch-{plan_sha256[:12]}" + ("" if name == "apply" else f"-{name}")


def start(path: str, steps: Sequence[Step], *, unit: str, about: Mapping[str, Any], repair: bool = False) -> Look:
    """Start `steps` in the folder `path`, or start what died there anew. `about`: patch_id, run_id, name.

    Raises UpkeepError state_unwritable, job_not_started.
    """
    folder.make(path)
    earlier = folder.load(_in(path, "job.json")) or {}
    told = {"run_id": about["run_id"], "at": times.iso(times.now()), "repair": repair}
    job: Dict[str, Any] = {
        **about,
        "unit": unit,
        "no_unit": None,
        "tries": [*(earlier.get("tries") or []), told],
        "steps": [_document(step) for step in steps],
        "environment": ENVIRONMENT,
    }
    try:
        atomic.write_text(_in(path, "runner.py"), source(), mode=0o700)
        job["begun"] = _make_room(_in(path, "journal.jsonl"), len(steps))
    except OSError as error:
        raise folder.unwritable(path, error)
    folder.save(_in(path, "job.json"), job)
    argv = [sys.executable or "/usr/bin/python3", "-I", "-S", _in(path, "runner.py"), path]
    running_as, why = launch.launch(argv, unit, f"Upkeep patch run {about['patch_id']}: {about['name']}")
    if running_as is None:
        folder.save(_in(path, "job.json"), {**job, "unit": None, "no_unit": why})
    _await_begin(path, job["begun"], unit, why)
    return look(path)


def source() -> str:
    """The text of `runner`, also where this code is in a zip file (as Ansible sends it)."""
    spec = importlib.util.find_spec(runner.__name__)
    text = spec.loader.get_source(runner.__name__) if spec and spec.loader else None  # type: ignore[attr-defined]
    if not text:
        raise UpkeepError("job_not_started", f"the source of {runner.__name__} cannot be read: install Upkeep anew.")
    return str(text)


def look(path: str) -> Look:
    """What is known of the job in the folder `path`. Raises UpkeepError patch_unreadable."""
    job = folder.load(_in(path, "job.json"))
    if job is None:
        return Look(None)
    # Asked before the journal is read: who lets go of it has written the end.
    runs = _is_held(_in(path, "journal.jsonl"))
    events = _events(path)
    begins = [number for number, event in enumerate(events) if event["event"] == "begin"]
    last = events[begins[-1] :] if len(begins) > job["begun"] else []
    end = next((event for event in last if event["event"] == "end"), None)
    found = Look(
        None, _steps(events), progress=_progress(_in(path, "log")), unit=job.get("unit"), tries=list(job["tries"])
    )
    if end is not None and not end["stopped"]:
        found.job, found.failed_step = ("ok" if end["ok"] else "failed"), end["step"]
    elif runs or _step_lives(last) or (not last and job.get("unit") and launch.is_active(job["unit"])):
        found.job = "running"
    else:
        found.job = "died"
    return found


def wait(path: str, seconds: float) -> Look:
    """`look`, as soon as the job does not run any more, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        # Most of the time nothing happens: the lock alone is asked.
        if left <= 0 or not _is_held(_in(path, "journal.jsonl")):
            found = look(path)
            if left <= 0 or found.job != "running":
                return found
        time.sleep(max(0.0, min(_PAUSE, left)))


def log_of(path: str) -> str:
    """The end of what was said, at most 256 KiB of it."""
    return _plain(_tail(_in(path, "log"), _TAIL))


def cause(path: str, step: Optional[str]) -> Optional[str]:
    """What the failed step said of it: the first line that tells of an error, with what follows a colon; else its last.

    None where no step failed, or it said nothing.
    """
    if step is None:
        return None
    said = log_of(path).split(f"\n{runner.HEAD}{step}\n")[-1].split(f"\n{runner.HEAD}")[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if _ERROR.search(line):
            follows = f" {lines[number + 1]}" if line.endswith(":") and number + 1 < len(lines) else ""
            return (line + follows)[:300]
    return lines[-1][:300] if lines else None


def _in(path: str, name: str) -> str:
    return os.path.join(path, name)


def _document(step: Step) -> Dict[str, Any]:
    return {
        "name": step.name,
        "argv": list(step.argv),
        "allow": list(step.allow),
        "environment": dict(step.environment),
        "always": step.always,
    }


def _make_room(path: str, steps: int) -> int:
    """Blank lines at the end of the journal, which stays the same file (its lock is on it); how often it has begun."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, b"\n" * (_LINE * (2 * steps + 4)))
        os.fsync(handle)
    finally:
        os.close(handle)
    atomic.sync_folder(os.path.dirname(path))
    return sum(event["event"] == "begin" for event in _events(os.path.dirname(path)))


def _await_begin(path: str, begun: int, unit: str, why: Optional[str]) -> None:
    deadline = time.monotonic() + _BEGINS_WITHIN_S
    while sum(event["event"] == "begin" for event in _events(path)) <= begun:
        if time.monotonic() > deadline:
            raise UpkeepError(
                "job_not_started",
                f"the job in {path} did not begin within {_BEGINS_WITHIN_S} seconds: "
                + (f"it runs without systemd, since {why}" if why else f"look at journalctl -u {unit}")
                + "; then run the patch run again.",
            )
        time.sleep(0.02)


def _is_held(path: str) -> bool:
    """Whether a runner has the journal's lock: the kernel drops it with the runner's end, however that comes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _step_lives(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the runner's last step goes on without it."""
    if not events or events[0].get("boot") != runner.boot_id() or events[-1]["event"] != "start":
        return False
    return events[-1].get("ticks") is not None and runner.ticks_of(events[-1]["pid"]) == events[-1]["ticks"]


def _events(path: str) -> List[Dict[str, Any]]:
    try:
        with open(_in(path, "journal.jsonl"), "rb") as stream:  # noqa: PTH123
            lines = [line for line in stream.read().splitlines() if line.strip()]
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue  # the machine was switched off in the middle of it
    return [event for event in events if isinstance(event, dict) and "event" in event]


def _steps(events: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    steps: List[Dict[str, Any]] = []
    for event in events:
        if event["event"] == "start":
            steps.append({"name": event["name"], "rc": None, "started": event["at"], "finished": None})
        elif event["event"] == "done":
            if not steps or steps[-1]["finished"] or steps[-1]["name"] != event["name"]:  # it could not be started
                steps.append({"name": event["name"], "started": event["at"]})
            steps[-1].update(rc=event["rc"], finished=event["at"])
    return steps


def _progress(path: str) -> str:
    lines = _plain(_tail(path, 4096)).splitlines()
    told = (line.strip()[:200] for line in reversed(lines) if line.strip() and not line.startswith(runner.HEAD))
    return next(told, "")


def _plain(said: bytes) -> str:
    """Text without what would write elsewhere on the screen that shows it: packages' scripts may say anything."""
    text = said.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("\ufffd", text)


def _tail(path: str, length: int) -> bytes:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - length))
            return stream.read()
    except FileNotFoundError:
        return b""
