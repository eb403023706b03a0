# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the steps of a job one by one: a program of its own, copied beside its job.json, in need of nothing else.

    python3 runner.py <folder>

What stands in the folder:
    job.json        {"steps": [{"name","argv","allow","environment","always"}], "environment": {…}, "begun": how often
                    the job has begun before: this try runs once, whoever starts it twice}
    journal.jsonl   a line an event, written over blank lines that were put there beforehand, so that it fits on a full
                    disk: begin {pid, ticks, boot}, start {step, pid, ticks}, done {step, rc}, end {ok, step, stopped}
    log             what the steps said; what does not fit on the disk is dropped

Who runs holds a lock (flock) on the journal. Everything is imported at the start: a step may replace this Python.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from typing import Any, Dict, List, Optional, Tuple

HEAD = "== "  # before a step's name, on a line of its own in the log
_ALREADY = 75  # sysexits.h EX_TEMPFAIL: another runner has the journal, or had it for this try
_UNTOLD = 74  # EX_IOERR: the end could not be written
_LONGEST_LOG = 64 << 20
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Journal:
    """The events of the job. A line that cannot be written is lost; the work goes on."""

    def __init__(self, path: str) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._end = 0

    def lock(self) -> bool:
        """Whether nobody else runs this job. Who looks at it holds the lock for a moment, too."""
        for _attempt in range(40):
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def begins(self) -> int:
        """How often the job has begun; what is written from now on comes behind that."""
        written = os.pread(self.handle, os.fstat(self.handle).st_size, 0).rstrip(b"\n")
        self._end = len(written) + 1 if written else 0
        return written.count(b'{"event": "begin"')

    def write(self, event: str, **more: Any) -> bool:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"event": event, "at": now, **more}).encode("ascii") + b"\n"
        try:
            written = os.pwrite(self.handle, line, self._end)
            os.fsync(self.handle)
        except OSError:
            return False
        self._end += len(line)
        return written == len(line)


class Log:
    """The steps' output, taken by a process of its own: neither a full disk nor the end of this one reaches them."""

    def __init__(self, path: str, journal: Journal) -> None:
        end, self.handle = os.pipe()
        self._relay = os.fork()
        if self._relay == 0:
            try:
                os.close(self.handle)
                os.close(journal.handle)  # else the journal's lock would live as long as a daemon that a step started
                _relay(end, path)
            finally:
                os._exit(0)
        os.close(end)

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the relay was killed
            os.write(self.handle, (text + "\n").encode("utf-8", "replace"))

    def close(self) -> None:
        """Give the relay time to write what it has; it ends when nobody holds the pipe any more."""
        deadline = time.monotonic() + 5
        waiting = array.array("i", [1])
        while waiting[0] and time.monotonic() < deadline:
            fcntl.ioctl(self.handle, termios.FIONREAD, waiting)
            time.sleep(0.01)
        os.close(self.handle)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and os.waitpid(self._relay, os.WNOHANG) == (0, 0):
            time.sleep(0.01)


def _relay(source: int, path: str) -> None:
    os.setsid()
    for number in (*_STOPPING, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    while True:
        data = os.read(source, 65536)
        if not data:
            return
        with contextlib.suppress(OSError):  # a full disk: what was said is lost, who said it goes on
            if os.fstat(log).st_size < _LONGEST_LOG:
                os.write(log, data)


def ticks_of(pid: int) -> Optional[int]:
    """When a process began, in clock ticks since the machine's start (proc(5)); None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> Optional[str]:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:  # noqa: PTH123
            return stream.read().strip()
    except OSError:
        return None


def run_steps(job: Dict[str, Any], journal: Journal, log: Log, stopping: List[int]) -> Tuple[Optional[str], bool]:
    """(the step that failed, whether steps were left out since a signal asked to stop).

    A signal stops before the next step, never in one: an interrupted package manager is worse than a late shutdown.
    """
    failed: Optional[str] = None
    stopped = False
    for number, step in enumerate(job["steps"]):
        if not step.get("always"):
            if failed is None and stopping:
                stopped = True
            if failed is not None or stopped:
                continue
        rc = _run(number, step, job.get("environment") or {}, journal, log)
        if rc not in (step.get("allow") or [0]) and failed is None:
            failed = str(step["name"])
    return failed, stopped


def _run(number: int, step: Dict[str, Any], environment: Dict[str, str], journal: Journal, log: Log) -> int:
    log.say("\n" + HEAD + step["name"])  # what the last one said need not end in a newline
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            step["argv"], stdin=subprocess.DEVNULL, stdout=log.handle, stderr=log.handle, cwd="/",
            env={**environment, **(step.get("environment") or {})}, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        log.say(f"{step['argv'][0]} could not be started: {error}")
        journal.write("done", step=number, name=step["name"], rc=127)
        return 127
    journal.write("start", step=number, name=step["name"], pid=process.pid, ticks=ticks_of(process.pid))
    rc = process.wait()
    journal.write("done", step=number, name=step["name"], rc=rc)
    return rc


def main(folder: str) -> int:
    """0 when the end stands in the journal, however the steps ended: a unit of ours is never a failed unit."""
    os.umask(0o022)  # what packages' scripts expect
    os.chdir("/")
    journal = Journal(os.path.join(folder, "journal.jsonl"))
    if not journal.lock():
        return _ALREADY
    stopping: List[int] = []
    for number in _STOPPING:  # a handler, not SIG_IGN: that would be handed down to the steps
        signal.signal(number, lambda received, _frame: stopping.append(received))
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as stream:  # noqa: PTH123
        job = json.load(stream)
    if journal.begins() > job["begun"]:
        return _ALREADY
    journal.write("begin", pid=os.getpid(), ticks=ticks_of(os.getpid()), boot=boot_id())
    log = Log(os.path.join(folder, "log"), journal)
    failed, stopped = run_steps(job, journal, log, stopping)
    log.close()
    told = journal.write("end", ok=failed is None and not stopped, step=failed, stopped=stopped)
    return 0 if told else _UNTOLD


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
