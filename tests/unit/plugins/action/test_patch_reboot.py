# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""patch_reboot in real playbooks. This machine is never asked to reboot: it seems to have done so, or not."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, snapshot

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can patch a host")
RUN = "20261123T200102Z-4711"
PLAY = """
- hosts: {hosts}
  gather_facts: false
  tasks:
    - proven.upkeep.patch_reboot:
        patch_id: {run}
        {options}
      register: done
      failed_when: false
      ignore_unreachable: true
    - ansible.builtin.copy:
        content: "{{{{ done | to_json }}}}"
        dest: "{{{{ upkeep_home }}}}/result.json"
        mode: "0600"
      delegate_to: good
      check_mode: false
"""


@pytest.fixture
def reboot(play, tmp_path, monkeypatch):
    """reboot(options, boot=…) runs it where the run began in that boot, and returns its result."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))

    def run(options, *arguments, boot=None, hosts="good", patch_id=RUN):
        run_folder = folder.Folder(RUN)
        atomic.write_json(run_folder.state, {**folder.new_state(RUN, "good", {}), "stage": "applied"})
        atomic.write_json(run_folder.before, {"boot": {**snapshot.boot(), **(boot or {})}})
        (tmp_path / "home").mkdir(exist_ok=True)
        text = PLAY.format(hosts=hosts, run=patch_id, options="\n        ".join(options))
        done = play(text, *arguments, UPKEEP_STATE_DIR=str(tmp_path / "state"))
        assert done.rc == 0, done.screen
        return done.json("result.json")

    return run


def test_what_has_happened_is_confirmed(reboot):
    result = reboot(["ask: false", "timeout: 30", f"expected_kernel: {os.uname().release}"], boot={"boot_id": "other"})
    data = result["data"]
    assert result["changed"] is True and "error_code" not in result, result
    assert (data["rebooted"], data["kernel"]) == (True, os.uname().release)
    assert (data["boot"], data["boot_before"]["boot_id"]) == (snapshot.boot(), "other")
    assert folder.state_of(RUN)["reboot"]["back_at"]


def test_with_another_kernel_it_fails_and_says_so(reboot):
    result = reboot(["ask: false", "timeout: 30", "expected_kernel: 9.9.9-1-amd64"], boot={"init_started": 1})
    assert result["error_code"] == "reboot_kernel" and "not with 9.9.9-1-amd64" in result["msg"]
    assert result["data"]["rebooted"] is True


def test_a_host_that_does_not_reboot(reboot):
    result = reboot(["ask: false", "timeout: 0"])
    assert result["error_code"] == "reboot_timeout" and "good was asked to reboot, answers" in result["msg"]
    assert result["data"]["rebooted"] is False


def test_a_host_that_does_not_come_back_is_waited_for_and_named(reboot):
    result = reboot(["ask: false", "timeout: 1"], hosts="away")
    assert result["error_code"] == "reboot_timeout", result
    assert "away did not come back from its reboot within 1 seconds" in result["msg"]
    assert not result.get("unreachable")


def test_what_waiting_does_not_mend_fails_at_once(reboot):
    result = reboot(["ask: false", "timeout: 600"], patch_id="20200101T000000Z-1")
    assert result["error_code"] == "unknown_run"


def test_preparing_only_notes_it(reboot):
    result = reboot(["prepare: true"])
    assert result["changed"] is False and result["data"]["rebooted"] is False
    assert folder.state_of(RUN)["reboot"]["boot"] == snapshot.boot()


def test_check_mode_says_that_it_would(reboot):
    result = reboot(["timeout: 30"], "--check")
    assert result["changed"] is True and result["data"]["rebooted"] is False
    assert folder.state_of(RUN)["reboot"] is None
