# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The transient unit, asked of programs that stand in for systemd's: the lab has the real one."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Step
from ansible_collections.proven.upkeep.plugins.module_utils.patching import job, launch

UNIT = "upkeep-patch-0123456789ab"
STEPS = [Step("one", ("/bin/sh", "-c", "echo done"))]
ABOUT = {"patch_id": "p", "run_id": "r", "name": "apply"}


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """systemd(systemd_run, systemctl): scripts in their place; the calls come into the file that it returns."""
    calls = tmp_path / "calls"
    tools = tmp_path / "bin"
    tools.mkdir()

    def install(**scripts):
        for name, script in scripts.items():
            path = tools / name.replace("_", "-")
            path.write_text(f'#!/bin/sh\necho "$(basename $0)" "$@" >> {calls}\n{script}\n')
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        monkeypatch.setattr(launch.systemd, "present", lambda: True)
        monkeypatch.setattr(launch, "_RUNS", str(tools / "systemd-run"))
        return calls

    return install


# What stands behind "--" is started in the background, as the unit would be.
_STARTS = 'while [ "$1" != -- ]; do shift; done; shift; "$@" </dev/null >/dev/null 2>&1 &'


def test_it_runs_as_a_unit_that_nothing_interrupts(systemd, tmp_path):
    calls = systemd(systemd_run=_STARTS, systemctl="exit 1")
    job.start(str(tmp_path / "apply"), STEPS, unit=UNIT, about=ABOUT)
    found = job.wait(str(tmp_path / "apply"), 20)
    assert (found.job, found.unit) == ("ok", UNIT)
    forgotten, started = calls.read_text().splitlines()[:2]
    assert forgotten == f"systemctl reset-failed {UNIT}"
    for word in (f"--unit={UNIT}", "--property=KillMode=process", "--property=SendSIGKILL=no"):
        assert word in started.split()


def test_without_an_answer_of_systemd_it_gets_a_session(systemd, tmp_path):
    systemd(systemd_run="echo 'Failed to connect to bus' >&2; exit 1", systemctl="exit 1")
    found = job.start(str(tmp_path / "apply"), STEPS, unit=UNIT, about=ABOUT)
    assert found.unit is None
    assert job.wait(str(tmp_path / "apply"), 20).job == "ok"
    assert "Failed to connect to bus" in (tmp_path / "apply" / "job.json").read_text()


def test_an_answer_that_got_lost_does_not_start_it_twice(systemd, tmp_path):
    systemd(systemd_run=_STARTS + "\nexit 1", systemctl="exit 1")
    count = tmp_path / "count"
    steps = [Step("one", ("/bin/sh", "-c", f"echo x >> {count}"))]
    job.start(str(tmp_path / "apply"), steps, unit=UNIT, about=ABOUT)
    assert job.wait(str(tmp_path / "apply"), 20).job == "ok"
    time.sleep(0.5)
    assert count.read_text() == "x\n"


@pytest.mark.parametrize(("state", "expected"), [("activating", "running"), ("active", "running"), ("failed", "died")])
def test_a_unit_that_has_not_begun_yet_is_asked_for(systemd, tmp_path, monkeypatch, state, expected):
    systemd(systemd_run="exit 0", systemctl=f"echo ActiveState={state}")
    monkeypatch.setattr(job, "_BEGINS_WITHIN_S", 0.1)
    with pytest.raises(job.UpkeepError, match=f"journalctl -u {UNIT}"):
        job.start(str(tmp_path / "apply"), STEPS, unit=UNIT, about=ABOUT)
    assert job.look(str(tmp_path / "apply")).job == expected
