# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs that run detached: real ones."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Step
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, job, launch

ABOUT = {"patch_id": "p", "run_id": "r", "name": "apply"}


def sh(name, script, **more):
    return Step(name, ("/bin/sh", "-c", script), **more)


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch):
    """The own session, also where these tests run under systemd: the lab has the unit."""
    monkeypatch.setattr(launch.systemd, "present", lambda: False)


@pytest.fixture
def at(tmp_path):
    return tmp_path / "apply"


def start(at, *steps, **more):
    return job.start(str(at), steps, unit="upkeep-patch-test", about=ABOUT, **more)


def ended(at):
    found = job.wait(str(at), 60)
    assert found.job != "running"
    return found


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begins(at):
    lines = (at / "journal.jsonl").read_text().split("\n")
    return [event for event in map(json.loads, filter(None, lines)) if event["event"] == "begin"]


def test_no_job(at):
    assert job.look(str(at)).job is None


def test_steps_run_in_order_and_are_told(at, tmp_path):
    start(at, sh("one", "echo first"), sh("two", "echo second; exit 100", allow=(0, 100)))
    found = ended(at)
    assert (found.job, found.failed_step, found.progress, found.unit) == ("ok", None, "second", None)
    assert [(step["name"], step["rc"]) for step in found.steps] == [("one", 0), ("two", 100)]
    assert all(step["started"] <= step["finished"] for step in found.steps)
    assert job.log_of(str(at)) == "\n== one\nfirst\n\n== two\nsecond\n"


@pytest.mark.parametrize(
    ("bad", "rc"),
    [
        (sh("bad", "exit 3"), 3),
        (sh("bad", "kill -9 $$"), -9),
        (Step("bad", ("/no/such/program",)), 127),
        (Step("bad", ("x\0y",)), 127),
    ],
)
def test_a_failing_step_stops_all_but_what_always_runs(at, bad, rc):
    start(at, bad, sh("never", "echo never"), sh("marks", "echo marks", always=True))
    found = ended(at)
    assert (found.job, found.failed_step) == ("failed", "bad")
    assert [(step["name"], step["rc"]) for step in found.steps] == [("bad", rc), ("marks", 0)]


def test_a_failing_always_step_fails_the_job(at):
    start(at, sh("marks", "exit 1", always=True))
    assert (ended(at).job, ended(at).failed_step) == ("failed", "marks")


def test_a_step_is_alone_with_an_environment_without_questions(at, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cret")
    told = tmp_path / "told"
    script = f"(env; ls -l /proc/self/fd; cat; echo tty: $(tty); umask) > {told}"
    start(at, sh("one", script, environment={"MORE": "yes"}))
    assert ended(at).job == "ok"
    said = told.read_text()
    assert "SECRET" not in said
    assert "DEBIAN_FRONTEND=noninteractive" in said
    assert "MORE=yes" in said
    assert "not a tty" in said
    assert "journal.jsonl" not in said  # its lock would live as long as a daemon that the step starts
    assert said.endswith("0022\n")


def test_it_outlives_who_started_it(at, tmp_path):
    """Killed with all its process group, as a connection's end would do."""
    code = (
        "import sys; from tests.unit.plugins.module_utils.patching.test_job import *\n"
        "job.start(sys.argv[1], [sh('one', 'sleep 0.5; echo survived')], unit='u', about=ABOUT)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(at)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))},
    )
    with process:
        assert process.stdout.readline() == b"up\n"
        os.killpg(process.pid, signal.SIGKILL)
    assert (ended(at).job, ended(at).progress) == ("ok", "survived")


def test_a_daemon_that_a_step_starts_holds_nothing_up(at, tmp_path):
    pid = tmp_path / "pid"
    start(at, sh("one", f"sleep 60 & echo $! > {pid}; echo done"))
    try:
        assert (ended(at).job, ended(at).progress) == ("ok", "done")
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_signal_waits_for_the_step_and_leaves_the_rest(at, tmp_path):
    go = tmp_path / "go"
    start(
        at,
        sh("one", f"trap 'echo hit' TERM; while [ ! -e {go} ]; do sleep 0.05; done"),
        sh("two", "echo two"),
        sh("marks", "echo marks", always=True),
    )
    until(lambda: job.look(str(at)).steps)
    os.kill(begins(at)[0]["pid"], signal.SIGTERM)
    go.touch()
    found = ended(at)
    assert found.job == "died"
    assert [(step["name"], step["rc"]) for step in found.steps] == [("one", 0), ("marks", 0)]
    assert "hit" not in job.log_of(str(at))
    start(at, sh("two", "echo two"), repair=True)
    assert ended(at).job == "ok"
    assert [each["repair"] for each in ended(at).tries] == [False, True]


def test_a_killed_runner_leaves_the_step_alone(at, tmp_path):
    """The package manager goes on without it: the job runs until that ends, and has died then."""
    go = tmp_path / "go"
    start(
        at, sh("one", f"while [ ! -e {go} ]; do sleep 0.05; done; echo unharmed; touch {tmp_path}/done"), sh("two", ":")
    )
    until(lambda: job.look(str(at)).steps)
    os.kill(begins(at)[0]["pid"], signal.SIGKILL)
    until(lambda: not job._is_held(str(at / "journal.jsonl")))
    assert job.look(str(at)).job == "running"
    go.touch()
    found = ended(at)
    assert (found.job, found.steps[0]["rc"]) == ("died", None)
    until((tmp_path / "done").exists)
    until(lambda: "unharmed" in job.log_of(str(at)))  # neither a broken pipe nor a lost line


def test_two_starts_run_once(at, tmp_path):
    """Whoever comes second to the journal's lock goes away, also after the first has ended."""
    count = tmp_path / "count"
    start(at, sh("one", f"echo x >> {count}; sleep 0.5"))
    second = subprocess.run([sys.executable, str(at / "runner.py"), str(at)], check=False, timeout=20)
    assert second.returncode == 75
    assert ended(at).job == "ok"
    assert count.read_text() == "x\n"


def test_torn_and_foreign_lines_are_passed_over(at):
    start(at, sh("one", ":"))
    assert ended(at).job == "ok"
    journal = at / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text('{"event": "st\n[1]\n{}\n' + whole)
    assert job.look(str(at)).job == "ok"
    end = next(line for line in whole.splitlines() if '"end"' in line)
    journal.write_text(whole.replace(end, end[:20]))
    assert job.look(str(at)).job == "died"


def test_a_reboot_kills_the_step_too(at, tmp_path):
    """The number of a process says nothing after a restart of the machine."""
    go = tmp_path / "go"
    start(at, sh("one", f"while [ ! -e {go} ]; do sleep 0.05; done"))
    until(lambda: job.look(str(at)).steps)
    os.kill(begins(at)[0]["pid"], signal.SIGKILL)
    journal = at / "journal.jsonl"
    until(lambda: not job._is_held(str(journal)))
    journal.write_text(journal.read_text().replace(begins(at)[0]["boot"], "another-boot"))
    assert job.look(str(at)).job == "died"
    go.touch()


def test_what_cannot_begin_is_told(at, monkeypatch):
    monkeypatch.setattr(job, "_BEGINS_WITHIN_S", 0.2)
    monkeypatch.setattr(launch, "detach", lambda argv: None)
    with pytest.raises(job.UpkeepError) as caught:
        start(at, sh("one", ":"))
    assert caught.value.code == "job_not_started"
    assert job.look(str(at)).job == "died"
    monkeypatch.undo()
    start(at, sh("one", ":"))
    assert ended(at).job == "ok"


def test_the_runner_comes_out_of_a_zip(tmp_path):
    """As Ansible sends modules."""
    root = Path(job.__file__).parents[2]
    package = "ansible_collections/proven/upkeep/plugins"
    names = list((root / "module_utils").rglob("*.py"))
    with zipfile.ZipFile(tmp_path / "payload.zip", "w") as payload:
        for folder in (
            "ansible_collections",
            "ansible_collections/proven",
            "ansible_collections/proven/upkeep",
            package,
        ):
            payload.writestr(f"{folder}/__init__.py", "")
        payload.writestr(f"{package}/module_utils/__init__.py", "")
        for path in names:
            payload.write(path, f"{package}/{path.relative_to(root)}")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.proven.upkeep.plugins.module_utils.patching import job\n"
        "assert 'payload.zip' in job.__file__; sys.stdout.write(job.source())"
    )
    said = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "payload.zip")], capture_output=True, text=True, check=False
    )
    assert said.stdout == (Path(job.__file__).parent / "runner.py").read_text(), said.stderr


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Setting up\nlast words", "last words"),
        ("dpkg: error processing package lib (--configure):\n exit status 3\nE: Sub-process returned an error code (1)",
         "dpkg: error processing package lib (--configure): exit status 3"),
        ("reading\nE: Unable to locate package x\nbye", "E: Unable to locate package x"),
        ("Error: Transaction test error:", "Error: Transaction test error:"),
        ("Enough of it", "Enough of it"),
        ("", None),
    ],
)  # fmt: skip
def test_why_it_failed_is_what_the_failed_step_said(at, said, expected):
    """Not what the marks say that are set after it."""
    start(
        at, sh("before", "echo E: no"), sh("bad", f"printf '{said}'; exit 1"), sh("marks", "echo marked", always=True)
    )
    assert job.cause(str(at), ended(at).failed_step) == expected
    assert job.cause(str(at), None) is None


def test_what_a_script_says_cannot_write_over_the_screen(tmp_path):
    (tmp_path / "log").write_bytes(b"\n== one\nE: it \x1b[2Jfailed\x07\r 50%\r\xc2\x9b31m \xe2\x80\xaetxt\n")
    said = job.log_of(str(tmp_path))
    assert said == "\n== one\nE: it \ufffd[2Jfailed\ufffd\n 50%\n\ufffd31m \ufffdtxt\n"
    assert job.cause(str(tmp_path), "one") == "E: it \ufffd[2Jfailed\ufffd"


@pytest.mark.parametrize("name", ["journal.jsonl", "log"])
def test_a_link_in_its_place_is_not_written_through(tmp_path, state_folder, name):
    other = tmp_path / "other"
    other.write_text("precious\n")
    path = folder.make(str(state_folder / "job"))
    os.symlink(other, os.path.join(path, name))
    with contextlib.suppress(UpkeepError):
        job.start(
            path, [Step("one", ("/bin/true",))], unit="u", about={"patch_id": "p", "run_id": "r", "name": "apply"}
        )
        job.wait(path, 20)
    assert other.read_text() == "precious\n"
