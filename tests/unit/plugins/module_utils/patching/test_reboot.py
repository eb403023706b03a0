# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's part in its reboot: what is noted, when it is asked for, and what counts as done. Nothing is rebooted."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, job, kernel_files, reboot, snapshot

from tests import systemds

RUN = "20261123T200102Z-4711"
FIRST = {"boot_id": "a", "init_started": 30, "kernel": "6.1.0-35-amd64"}
SECOND = {"boot_id": "b", "init_started": 31, "kernel": "6.1.0-40-amd64"}
THIRD = {"boot_id": "c", "init_started": 32, "kernel": "6.1.0-35-amd64"}
RECORDER = """#!/bin/sh
echo "$(basename $0) $*" >> {log}
"""


class Host:
    def __init__(self, fake, log, monkeypatch):
        self.systemd, self._log, self._monkeypatch = fake, log, monkeypatch
        self.boots(FIRST)

    def boots(self, boot):
        self._monkeypatch.setattr(reboot.snapshot, "boot", lambda: dict(boot))

    def stage(self, stage):
        folder.note(RUN, stage=stage)

    @property
    def noted(self):
        return folder.state_of(RUN)["reboot"]

    @property
    def asked(self):
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(reboot, "is_container", lambda: False)
    fake = systemds.running(tmp_path, monkeypatch)
    log = tmp_path / "log"
    for program in ("systemd-run", "reboot"):
        fake.program(program, RECORDER.format(log=log))
    run = folder.Folder(RUN)
    atomic.write_json(run.state, {**folder.new_state(RUN, "web1", {}), "stage": "applied"})
    atomic.write_json(run.before, {"boot": FIRST})
    return Host(fake, log, monkeypatch)


def test_from_asking_to_done(host):
    assert reboot.prepare(RUN, "6.1.0-40-amd64")["boot"] == FIRST
    reboot.ask(RUN)
    (asked,) = host.asked
    assert asked.startswith("systemd-run --quiet --on-active=2s") and asked.endswith(" systemctl reboot")
    assert (host.noted["boot"], host.noted["expected_kernel"], host.noted["back_at"]) == (FIRST, "6.1.0-40-amd64", None)
    look = reboot.look(RUN)  # it answers while it shuts down
    assert (look["rebooted"], look["boot_before"]) == (False, FIRST)
    host.boots(SECOND)
    host.systemd.units(system="starting")
    look = reboot.look(RUN)
    assert (look["rebooted"], look["settled"]) == (True, False)
    assert host.noted["back_at"] is None
    host.systemd.units(system="degraded")
    look = reboot.look(RUN)
    assert (look["rebooted"], look["settled"], look["state"], look["boot"]) == (True, True, "degraded", SECOND)
    assert host.noted["back_at"] and host.noted["boot_after"] == SECOND


def test_a_run_that_was_killed_between_goes_on_and_does_not_ask_twice(host):
    reboot.prepare(RUN, "6.1.0-40-amd64")
    host.boots(SECOND)
    assert reboot.prepare(RUN, "6.1.0-40-amd64")["boot"] == FIRST
    reboot.ask(RUN)
    assert host.asked == []
    reboot.ask(RUN)  # nor when it is known for done
    assert host.asked == [] and host.noted["back_at"]


def test_a_reboot_that_did_not_happen_is_asked_for_again(host):
    reboot.prepare(RUN, None)
    reboot.ask(RUN)
    reboot.ask(RUN)
    assert len(host.asked) == 2


def test_the_way_back_has_a_reboot_of_its_own(host):
    reboot.prepare(RUN, "6.1.0-40-amd64")
    host.boots(SECOND)
    assert reboot.look(RUN)["rebooted"] is True
    host.stage("rolling_back")
    with pytest.raises(UpkeepError) as raised:
        reboot.look(RUN)
    assert raised.value.code == "reboot_unnoted"
    assert reboot.prepare(RUN, "6.1.0-35-amd64")["boot"] == SECOND
    reboot.ask(RUN)
    assert len(host.asked) == 1
    host.boots(THIRD)
    look = reboot.look(RUN)
    assert (look["rebooted"], look["boot_before"], look["boot"]) == (True, SECOND, THIRD)
    reboot.ask(RUN)
    assert len(host.asked) == 1
    folder.note(RUN, run_ids=[RUN, "20261201T200102Z-4712"])  # and taken back once more, in another run
    assert reboot.prepare(RUN, None)["boot"] == THIRD
    assert reboot.look(RUN)["rebooted"] is False


def test_what_somebody_else_asked_for_is_seen_without_a_note(host):
    assert reboot.look(RUN)["rebooted"] is False
    host.boots(SECOND)
    look = reboot.look(RUN)
    assert (look["rebooted"], look["boot_before"]) == (True, FIRST)
    assert host.noted["back_at"]


def test_a_container_is_known_by_its_first_process(host):
    reboot.prepare(RUN, None)
    host.boots({**FIRST, "init_started": 4711})
    assert reboot.look(RUN)["rebooted"] is True


def test_a_kernel_that_would_not_start_is_not_rebooted_into(host, monkeypatch):
    monkeypatch.setattr(kernel_files, "problem", lambda release: f"{release} is cut off")
    with pytest.raises(UpkeepError) as raised:
        reboot.prepare(RUN, "6.1.0-40-amd64")
    assert raised.value.code == "initramfs_missing" and "6.1.0-40-amd64 is cut off" in raised.value.message
    assert host.noted is None
    monkeypatch.setattr(reboot, "is_container", lambda: True)
    assert reboot.prepare(RUN, "6.1.0-40-amd64")


def test_check_mode_notes_nothing(host):
    before = json.dumps(folder.state_of(RUN))
    assert reboot.prepare(RUN, None, check_mode=True)["boot"] == FIRST
    assert json.dumps(folder.state_of(RUN)) == before


def test_where_no_unit_can_be_made_a_process_asks(host, tmp_path, monkeypatch):
    started = []
    host.systemd.program("systemd-run", "#!/bin/sh\nexit 1\n")
    monkeypatch.setattr(reboot.subprocess, "Popen", lambda argv, **options: started.append((argv, options)))
    monkeypatch.setattr(reboot.subprocess, "run", lambda argv, **options: reboot.subprocess.CompletedProcess(argv, 1))
    reboot._trigger()
    ((argv, options),) = started
    assert argv == ["sh", "-c", "sleep 2; systemctl reboot || reboot"] and options["start_new_session"] is True


def test_an_unknown_run_is_said(host):
    with pytest.raises(UpkeepError) as raised:
        reboot.look("20200101T000000Z-1")
    assert raised.value.code == "unknown_run"


def test_this_machine_tells_its_boot():
    assert snapshot.same_boot(snapshot.boot(), snapshot.boot()) is True


def test_a_package_manager_at_work_is_not_cut_off(host, monkeypatch):
    reboot.prepare(RUN, None)
    monkeypatch.setattr(reboot.job, "look", lambda path: job.Look("running" if path.endswith("/back") else None))
    with pytest.raises(UpkeepError) as caught:
        reboot.ask(RUN)
    assert (caught.value.code, host.asked) == ("apply_running", [])
