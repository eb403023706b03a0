# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The actions of a patch policy in this process."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.proven.upkeep.plugins.action import patch_admit, patch_judge, patch_protected, patch_select
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import home, observations, outcome, processes, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part

from tests.advisories import fill, level, package, said, update

_NO_CONNECTION = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
NOW = datetime(2026, 11, 24, 22, 0, tzinfo=timezone.utc)
GROUPS = {"all": ["web1", "web2"], "ring_canary": ["web2"], "ring_main": ["web1"]}
LEVEL = level([package("openssl", "1-1")], [update("openssl", "2-1", installed="1-1", severity="unknown")])
LEVEL = {**LEVEL, "schema": "upkeep.patch_level/1"}


@pytest.fixture(name="act")
def act_fixture(tmp_path, monkeypatch):
    """act(patch_admit, {"patch_mode": "all"}, only_check=True) runs an action for web1; `check` is check mode."""
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=("patch.yml",), tags=("all",)))
    monkeypatch.setattr(times, "now", lambda: NOW)
    place = tmp_path / "home"

    def run(plugin, variables=None, check=False, **arguments):
        known = {"inventory_hostname": "web1", "upkeep_home": str(place), "groups": GROUPS, **(variables or {})}
        known.setdefault("ansible_play_hosts_all", ["web1", "web2"])
        templar = Templar(loader=DataLoader(), variables=known)
        task = SimpleNamespace(action=plugin.__name__, args=arguments, check_mode=check, async_val=0, diff=False)
        return plugin.ActionModule(task, _NO_CONNECTION, None, DataLoader(), templar, None).run(None, known)

    run.home = place
    return run


@pytest.fixture(name="opened")
def opened_fixture(act, monkeypatch):
    """opened(host, status, reason) records a patch run of it in a run of this process."""
    home.ensure_home(act.home)
    monkeypatch.setenv("UPKEEP_RUN_ID", "r1")
    run = runs.open_run(act.home, "r1", "shop", runs.Opening(["patch_level", "patch"], ["web1", "web2"], "patch.yml"))

    def record(host, status, reason=None):
        stamp = times.iso(NOW)
        seen = Observation(run.run_id, "shop", host, host, "patch", "unknown", None, stamp, stamp)
        seen.process = processes.this()
        seen.hold([Part(None, status, reason, data={"outcome": "patched"})], False)
        observations.add(act.home, seen)

    return record


def test_a_wrong_policy_starts_nothing(act):
    wrong = {"patch_rules": [{"name": "x", "approve_after": "soon"}], "patch_mode": "some"}
    for plugin, arguments in (
        (patch_admit, {}),
        (patch_admit, {"only_check": True}),
        (patch_select, {"level": LEVEL}),
        (patch_judge, {"of": "preflight"}),
        (patch_protected, {}),
    ):
        result = act(plugin, wrong, **arguments)
        assert result["failed"] and result["error_code"] == "invalid_policy" and len(result["problems"]) == 2
        assert "patch_rules, entry 1 (x): approve_after: 'soon'" in result["msg"]
    unknown = act(patch_admit, {"patch_backup_sets": ["www"], "backup_sets": [{"name": "etc"}]}, only_check=True)
    assert unknown["error_code"] == "invalid_policy" and "www" in unknown["msg"]
    assert act(patch_admit, {"patch_backup_sets": ["www"], "patch_backup": "skip"}, only_check=True)["data"]


def test_health_checks_are_looked_at_before_the_host_is(act):
    wrong = act(patch_admit, {"patch_health": {"port": [443]}}, only_check=True)
    assert wrong["error_code"] == "invalid_health" and "units, ports" in wrong["msg"]
    good = {"units": ["ssh.service"], "ports": [22], "urls": None}
    assert act(patch_admit, {"patch_health": good}, only_check=True)["data"]
    assert act(patch_admit, {"patch_health": None}, only_check=True)["data"]


def test_only_the_policy_is_checked(act):
    result = act(patch_admit, {"patch_mode": None, "patch_windows": ""}, only_check=True)
    assert "admitted" not in result["data"] and len(result["data"]["policy_sha256"]) == 64
    assert not act.home.exists()


def test_admitted(act, opened):
    opened("web2", "ok")
    result = act(patch_admit)
    data = result["data"]
    assert (data["admitted"], data["ring"], data["run_id"], result["run_id"]) == (True, "ring_main", "r1", "r1")
    assert data["started"] == "2026-11-24T22:00:00Z" and data["duration_ms"] == 0
    assert act(patch_admit, ring="ring_canary")["data"]["ring"] == "ring_canary"
    assert act(patch_admit, {"patch_rings": ["ring_other"]})["data"]["ring"] is None


def test_a_canary_that_failed_stops_the_next_ring(act, opened):
    opened("web2", "failed", "verify_failed: port 443 is not listening")
    data = act(patch_admit)["data"]
    assert (data["admitted"], data["code"]) == (False, "ring_stopped") and "port 443" in data["reason"]
    assert act(patch_admit, {"patch_ring_failures": 1})["data"]["admitted"]
    assert act(patch_admit, rings=["ring_main"])["data"]["admitted"], "web2 is of no ring then, and those come last"
    assert act(patch_admit, check=True)["data"]["admitted"], "a plan changes nothing"
    assert act(patch_admit, {"patch_mode": "report"})["data"]["admitted"]


def test_outside_its_window(act, opened):
    opened("web2", "ok")
    window = {"patch_windows": [{"from": "01:00", "to": "02:00"}]}
    assert act(patch_admit, window)["data"]["code"] == "outside_window"
    assert act(patch_admit, window, check=True)["data"]["notes"]
    assert act(patch_admit, {**window, "patch_outside_window": True})["data"]["admitted"]


def test_select_uses_the_index(act):
    home.ensure_home(act.home)
    plain = act(patch_select, level=LEVEL)["data"]
    assert plain["wanted"][0]["why"] == "security update" and plain["mode"] == "security"
    fill(act.home / FILE, [said("openssl", "CVE-1", fixed="2-1", advisory="DSA-1-1", severity="high")])
    data = act(patch_select, {"patch_rules": [{"name": "urgent", "match": {"severity": ["high"]}}]}, level=LEVEL)[
        "data"
    ]
    assert data["wanted"][0]["why"] == "security update DSA-1-1, high (debian), rule 'urgent'"
    assert data["policy_sha256"] != plain["policy_sha256"] and data["started"]


def test_select_counts_from_when_it_was_first_seen(act, monkeypatch):
    home.ensure_home(act.home)
    week = {"patch_rules": [{"name": "rest", "approve_after": "7d"}]}
    assert "no earlier run saw it" in act(patch_select, week, level=LEVEL)["data"]["left_out"][0]["why"]
    monkeypatch.setenv("UPKEEP_RUN_ID", "r0")
    runs.open_run(act.home, "r0", "shop", runs.Opening(["patch_level"], ["web1"], "patch.yml"))
    stamp = "2026-11-01T00:00:00Z"
    seen = Observation("r0", "shop", "web1", "web1", "patch_level", "unknown", None, stamp, stamp)
    seen.hold(*outcome.parts_of("patch_level", {"data": LEVEL}, None))
    observations.add(act.home, seen)
    (wanted,) = act(patch_select, week, level=LEVEL)["data"]["wanted"]
    assert "first seen 23 days ago" in wanted["why"]


@pytest.mark.parametrize(
    ("plugin", "arguments", "said_of"),
    [
        (patch_select, {"level": {}}, "level: it has to be"),
        (patch_judge, {"of": "verify"}, "plan: without the plan"),
        (patch_judge, {"of": "preflight", "begin": "no"}, "begin: it has to be the data"),
    ],
)
def test_bad_parameters(act, plugin, arguments, said_of):
    result = act(plugin, **arguments)
    assert result["error_code"] == "bad_parameter" and said_of in result["msg"]


def test_judges(act):
    begin = {"problems": [{"code": "health_red", "message": "port 443: refused"}], "continues": None}
    data = act(patch_judge, of="preflight", begin=begin, level=LEVEL, plan="")["data"]
    assert (data["status"], data["problems"]) == ("refused", begin["problems"]) and data["finished"]
    action = {"action": "upgrade", "name": "openssl", "arch": "amd64", "from": "1-1", "to": "2-1"}
    seen = {"begin": begin, "plan": {"actions": [action]}, "health": {"problems": []}, "level": LEVEL, "reboot": {}}
    after = {**LEVEL, "installed": [package("openssl", "2-1")]}
    assert act(patch_judge, of="verify", level_after=after, **seen)["data"]["status"] == "ok"
    assert act(patch_judge, of="verify", level_after=after, direction="back", **seen)["data"]["status"] == "failed"
    seen["level"] = after
    assert act(patch_judge, of="verify", level_after=LEVEL, direction="back", **seen)["data"]["status"] == "ok"


def test_protected(act):
    home.ensure_home(act.home)
    data = act(patch_protected, {"backup_sets": [{"name": "workflows"}]})["data"]
    assert (data["protected"], data["sets"]) == (False, []) and "patch_backup: skip" in data["why"]
    data = act(patch_protected, {"backup_sets": [{"name": "etc"}]})["data"]
    assert not data["protected"] and data["why"] == "etc: never backed up completely"


def test_check_mode_leaves_nothing(act):
    act(patch_admit, check=True)
    act(patch_select, check=True, level=LEVEL)
    act(patch_judge, check=True, of="preflight", level=LEVEL)
    act(patch_protected, {"backup_sets": [{"name": "etc"}]}, check=True)
    assert not act.home.exists()


PLAY = """
- hosts: good:nopython
  gather_facts: false
  vars:
    patch_mode: all
    patch_windows: [{from: 22:00, to: 04:00}]
    patch_outside_window: true
    patch_rules: [{name: now, match: {package: [open*], security: null}}]
    patch_exceptions: [{package: [vim], reason: because, approver: Ann, expires: 2099-01-01}]
    backup_sets: [{name: etc, paths: [/etc]}]
  tasks:
    - proven.upkeep.patch_admit: {only_check: true}
      register: wrong
      ignore_errors: true
    - ansible.builtin.set_fact:
        patch_exceptions: [{package: [vim], reason: because, approver: Ann, expires: "{{ '%Y-%m-%d' | strftime }}"}]
    - proven.upkeep.run_open: {phases: [patch]}
      run_once: true
    - proven.upkeep.patch_admit:
      register: admitted
    - proven.upkeep.patch_select:
        level: {manager: apt, metadata: {}, installed: [], pending: [
          {name: openssl, arch: amd64, installed: "1", candidate: "2", security: true, origins: []},
          {name: vim, arch: amd64, installed: "1", candidate: "2", security: true, origins: []}]}
      register: selected
    - proven.upkeep.patch_protected:
      register: protected
    - proven.upkeep.patch_judge: {of: preflight, begin: {problems: []}, level: "{{ level | default(none) }}"}
      register: judged
    - ansible.builtin.copy:
        content: "{{ [wrong, admitted, selected, protected, judged] | to_json }}"
        dest: "{{ upkeep_home }}/{{ inventory_hostname }}.json"
        mode: "0600"
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


def test_in_a_playbook(play):
    outcome = play(PLAY)
    wrong, admitted, selected, protected, judged = outcome.json("good.json")
    assert wrong["error_code"] == "invalid_policy" and "lasts at most 180" in wrong["msg"]
    assert admitted["data"]["admitted"] and admitted["data"]["run_id"] == admitted["run_id"]
    assert [each["why"] for each in selected["data"]["wanted"]] == ["security update, rule 'now'"]
    assert "by Ann: because" in selected["data"]["left_out"][0]["why"]
    assert protected["data"]["why"] == "etc: never backed up completely"
    assert judged["data"]["problems"][0]["code"] == "not_seen"
    assert outcome.rc == 0, outcome.screen
