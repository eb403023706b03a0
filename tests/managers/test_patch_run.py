# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch run on its host, begin to end, with the real apt and dpkg on a root of their own and real detached jobs."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_files, apt_change, changes, registry
from ansible_collections.proven.upkeep.plugins.module_utils.patching import (
    apply,
    begin,
    end,
    folder,
    job,
    launch,
    plan,
    protect,
    snapshot,
)

from tests.managers.debs import Deb, Debian

MISSING = [program for program in ("apt-get", "dpkg-deb") if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")

APP = Deb("app", "1", fields={"Depends": "lib"}, files={"/etc/app.conf": "one\n"})
APP2 = Deb("app", "2", fields={"Depends": "lib, extra"}, files={"/etc/app.conf": "two\n"})
LIB, LIB2, EXTRA = Deb("lib", "1"), Deb("lib", "2"), Deb("extra", "1")
BEFORE, AFTER = {"app": "1", "lib": "1"}, {"app": "2", "lib": "2", "extra": "1"}


class Host:
    """One host; each method is a task of the run."""

    def __init__(self, debian):
        self.debian, self.run_id, self.plan_sha256 = debian, "r1", ""

    def begin(self, run_id="r1", **more):
        by = {"user": "ann", "controller": "ctl1", "process": f"ctl1/{run_id}/b/1"}
        data = begin.begin(begin.Request(run_id, "web1", by, manager="apt", **more))
        self.run_id = data["patch_id"]
        return data

    def plan(self, **wanted):
        entries = [{"name": name, "arch": "all", "to": version, "why": "w"} for name, version in wanted.items()]
        document = plan.make(plan.Request(self.run_id, "web1", entries, [], None, manager="apt"))
        self.plan_sha256 = document["plan_sha256"]
        return document

    def protect(self):
        return protect.protect(protect.Request(self.run_id, self.plan_sha256))

    def apply(self, direction="apply", wait=60):
        return apply.run(apply.Request(self.run_id, self.plan_sha256, direction, wait))

    def end(self, outcome):
        return end.end(end.Request(self.run_id, outcome))

    def switch_off(self):
        """Kill the runner and all that it runs, at once."""
        journal = Path(folder.Folder(self.run_id).job("apply")) / "journal.jsonl"
        events = [json.loads(line) for line in journal.read_text().splitlines() if line]
        os.kill(next(event["pid"] for event in events if event["event"] == "begin"), signal.SIGKILL)
        session = [event["pid"] for event in events if event["event"] == "start"][-1]
        deadline = time.monotonic() + 60
        while (left := self._of_session(session)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    @staticmethod
    def _of_session(session):
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                is_alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if entry.name.isdecimal() and is_alive and os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
        return found


@pytest.fixture
def host(tmp_path, monkeypatch):
    debian = Debian(tmp_path)
    debian.offer(APP, LIB)
    debian.install("app")
    own = {name: debian.environment[name] for name in ("APT_CONFIG", "DPKG_ROOT", "HOME")}
    for name, value in {**own, "UPKEEP_STATE_DIR": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    known = changes.CHANGES["apt"]
    monkeypatch.setattr(job, "ENVIRONMENT", {**job.ENVIRONMENT, **own})
    monkeypatch.setitem(changes.CHANGES, "apt", lambda root: known(str(debian.root)))
    monkeypatch.setattr(registry, "detect", lambda wanted: "apt")
    monkeypatch.setattr(folder, "needs_root", lambda: None)
    monkeypatch.setattr(launch.systemd, "present", lambda: False)
    monkeypatch.setattr(snapshot, "take", lambda: {"units": {"failed": [], "active": []}, "listening": [], "boot": {}})
    return Host(debian)


def prepared(host, **wanted):
    host.begin()
    host.plan(**wanted)
    host.protect()


def test_there_and_back(host):
    (host.debian.root / "etc/app.conf").write_text("mine\n")
    host.debian.offer(APP2, LIB2, EXTRA)
    prepared(host, app="2", lib="2")
    there = host.apply()
    assert (there["job"], there["unfinished"]) == ("ok", []), there["log"]
    assert host.debian.versions() == AFTER
    assert {each["name"]: each["to"] for each in there["changed"]} == AFTER
    assert there["config_leftovers"] == [str(host.debian.root / "etc/app.conf.dpkg-dist")]
    host.end("patched")
    again = host.begin("r2", undo="r1")
    assert again["patch_id"] == "r1"
    back = host.apply("back")
    assert (back["job"], back["unfinished"], host.debian.versions()) == ("ok", [], BEFORE), back["log"]
    assert host.debian.auto() == {"lib"}
    assert (host.debian.root / "etc/app.conf").read_text() == "mine\n"
    assert host.end("rolled_back")["ended"] is True


def test_a_failing_postinst_is_told_and_undone(host):
    host.debian.offer(APP2, EXTRA, Deb("lib", "2", scripts={"postinst": "echo broken; exit 3"}))
    prepared(host, app="2", lib="2")
    there = host.apply()
    assert (there["job"], there["failed_step"]) == ("failed", "install")
    assert "broken" in there["log"]
    assert there["why"].startswith("dpkg: error processing package lib (--configure): ")
    assert there["why"].endswith("error exit status 3")
    assert there["unfinished"] != []
    back = host.apply("back")
    assert (back["job"], back["unfinished"], host.debian.versions()) == ("ok", [], BEFORE), back["log"]


def test_a_world_that_has_moved_on(host):
    host.debian.offer(LIB2)
    prepared(host, lib="2")
    host.debian.withdraw(LIB2)
    host.debian.offer(Deb("lib", "3"))
    with pytest.raises(UpkeepError) as caught:
        host.apply()
    assert caught.value.code == "plan_moved"
    assert host.debian.versions() == BEFORE


def test_switched_off_in_the_middle(host):
    """dpkg and all die in a postinst; the next run repairs, and finishes what was planned."""
    go, there = host.debian.base / "go", host.debian.base / "there"
    waits = f"touch {there}; while [ ! -e {go} ]; do sleep 0.05; done"
    host.debian.offer(APP2, EXTRA, Deb("lib", "2", scripts={"postinst": waits}))
    prepared(host, app="2", lib="2")
    assert host.apply(wait=0)["job"] == "running"
    deadline = time.monotonic() + 60
    while not there.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    host.switch_off()
    go.touch()
    assert host.debian.states()["lib"] == "iF"
    data = host.begin("r2", over="ctl1/r1/b/1")
    assert (data["patch_id"], data["continues"]["stage"], data["job"]["job"]) == ("r1", "applying", "died")
    finished = host.apply()
    assert (finished["job"], finished["repaired"], finished["unfinished"]) == ("ok", True, []), finished["log"]
    assert host.debian.versions() == AFTER
    assert {each["name"]: each["from"] for each in finished["changed"]} == {"app": "1", "lib": "1", "extra": None}


def test_no_room_for_what_is_fetched_or_kept(host, monkeypatch):
    """A sentence, whatever the estimate was; and never a loss that policy may allow."""
    host.debian.offer(LIB2)
    host.debian.withdraw(LIB)  # so that it is to be put together
    host.begin()
    host.plan(lib="2")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((_apt_files.shutil, "move"), (apt_change, "repack")):
        with monkeypatch.context() as patched, pytest.raises(UpkeepError, match="make room") as caught:
            patched.setattr(module, name, full)
            patched.setattr(_apt_files.Source, "on_disk", lambda self, item: None)
            host.protect()
        assert caught.value.code == "no_space"
    assert folder.state_of("r1")["stage"] == "planned"


def test_a_file_that_was_changed_before_it_is_installed(host):
    host.debian.offer(LIB2)
    prepared(host, lib="2")
    path = Path(folder.Folder("r1").new) / LIB2.file
    path.unlink()
    path.write_bytes(b"another")
    with pytest.raises(UpkeepError) as caught:
        host.apply()
    assert (caught.value.code, folder.state_of("r1")["stage"]) == ("file_changed", "protected")
    assert host.begin("r2", over="ctl1/r1/b/1")["ended"] == ["r1"]
    host.plan(lib="2")
    host.protect()
    assert host.apply()["job"] == "ok"
