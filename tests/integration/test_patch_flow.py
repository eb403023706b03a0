# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which steps a patch run takes, whatever one of them comes to: hosts that only answer, all in one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import fake_patch

GONE = {"unreachable": True, "msg": "no route to host"}
RED = {"data": {"status": "failed", "problems": [{"code": "port_closed", "message": "port 443 is not listening"}]}}
TOLD = {"failed": True, "error_code": "no_space", "msg": "/var is full"}
OLD = "20261123T010101Z-7"
UNFINISHED = {"patch_id": OLD, "run_ids": [OLD], "drained": True, "reboot": None, "states": []}


def left_at(stage: str) -> dict:
    """The answer of a host that an earlier run left in the middle."""
    return {
        "data": {"patch_id": OLD, "continues": {**UNFINISHED, "stage": stage}, "drained": True, "plan": fake_patch.PLAN}
    }


LATE = {"data": {"admitted": False, "code": "budget", "reason": "no time left"}}


THERE = ["patch_admit", "patch_begin", "patch_level", "patch_judge preflight", "patch_select", "patch_plan",
         "patch_protected", "patch_protect", "patch_note True", "drain", "patch_apply apply"]  # fmt: skip
LOOKED = ["patch_admit", "patch_begin look", "patch_admit"]
SETTLED = ["patch_restart", "patch_level", "patch_health", "patch_judge verify"]
BACK = ["patch_apply back", *SETTLED]
FREE = ["undrain", "patch_end"]
DRAINED = {"data": {"drained": True}}
NOTHING = {"patch_select": {"data": {"wanted": []}}, "patch_plan": {"data": {"actions": []}}}

# By host: what it answers, the steps that it then takes, the outcome, and what the reason says.
HOSTS = {
    "well": ({}, [*THERE, *SETTLED, *FREE], "patched", None),
    "refused": ({"patch_admit": LATE}, [*LOOKED, "patch_level"], "refused", "budget: no time left"),
    # What was begun is gone on with, and who was out of service is no more, at any time.
    "late": ({"patch_admit": [{}, LATE, {}], "patch_begin look": left_at("applied"), "patch_begin": left_at("applied")},
             [*LOOKED, "patch_begin", "patch_level", *THERE[8:], *SETTLED, *FREE], "patched", None),
    "late_out": ({"patch_admit": LATE, "patch_begin look": DRAINED, "patch_begin": DRAINED},
                 [*LOOKED, *THERE[1:4], *FREE], "refused", "budget: no time left"),
    "idle_out": ({"patch_begin": DRAINED, **NOTHING}, [*THERE[:6], *FREE], "nothing_to_do", None),
    "unseen": ({"patch_begin": left_at("applied"), "patch_level": TOLD},
               [*THERE[:3], "undrain"], "needs_attention", "unfinished"),
    "told_only": ({"patch_begin look": left_at("applied"), "patch_mode": "report"},
                  ["patch_admit", "patch_begin look", "patch_level"], "planned", None),
    "taken": ({"patch_apply apply": {"failed": True, "error_code": "claim_lost", "msg": "Ann has it now"}},
              THERE, "refused", "claim_lost"),
    "taken_early": ({"patch_note True": {"failed": True, "error_code": "claim_lost", "msg": "Ann has it now"}},
                    THERE[:9], "refused", "claim_lost"),
    "claimed": ({"patch_begin": {"failed": True, "error_code": "claimed", "msg": "by Ann"}},
                ["patch_admit", "patch_begin", "patch_level"], "refused", "claimed: by Ann"),
    "gone": ({"patch_begin": GONE}, ["patch_admit", "patch_begin", "patch_level"], "refused", "no route"),
    "nothing": (NOTHING, [*THERE[:6], "patch_end"], "nothing_to_do", None),
    "unproven": ({"patch_protected": {"data": {"protected": False, "sets": [{"ok": False, "why": "3 days old"}]}}},
                 [*THERE[:7], "patch_end"], "refused", "3 days old"),
    "undrainable": ({"drain": True}, [*THERE[:10], *FREE], "refused", "drain_failed: Drain it: as told"),
    "secretly": ({"drain": "secretly"}, [*THERE[:10], *FREE], "refused", "drain_failed: Drain it: it failed, and its"),
    "secretly_out": ({"undrain": "secretly"}, [*THERE, *SETTLED, *FREE], "needs_attention", "no_log hides why"),
    "broken": ({"patch_judge verify": [RED, {}]}, [*THERE, *SETTLED, *BACK, *FREE], "rolled_back", "port_closed"),
    "hopeless": ({"patch_judge verify": RED}, [*THERE, *SETTLED, *BACK, *FREE], "needs_attention", "rollback_failed"),
    "slow": ({"patch_apply apply": {"failed": True, "with_data": True, "error_code": "apply_timeout", "msg": "still",
                                    "data": {"job": "running", "changed": []}}},
             [*THERE, "undrain"], "needs_attention", "still"),
    "lost": ({"patch_apply apply": GONE}, [*THERE, "undrain"], "needs_attention", "no route"),
    "by_hand": ({"patch_judge verify": RED, "patch_rollback": "manual"},
                [*THERE, *SETTLED, *FREE], "failed", "port_closed"),
    "unhelpful": ({"undrain": True}, [*THERE, *SETTLED, *FREE], "needs_attention", "undrain_failed"),
    "rebooted": ({"patch_level": {"data": {"reboot": {"required": True}}}},
                 [*THERE, *SETTLED[:2], "patch_reboot", *SETTLED[1:], *FREE], "patched", None),
    "cut": ({"patch_begin": left_at("applying")},
            [*THERE[:3], *THERE[8:], *SETTLED, *FREE], "patched", None),
    "cut_back": ({"patch_begin": left_at("rolling_back")},
                 [*THERE[:3], *BACK, *FREE], "rolled_back", "an earlier run had begun"),
}  # fmt: skip
HOOK = """
- name: "{{ hook | capitalize }} it"
  ansible.builtin.copy:
    content: "{{ existing }}{{ {'call': hook} | to_json }}\\n"
    dest: "{{ fake_calls }}/{{ inventory_hostname }}"
    mode: "0600"
  vars:
    existing: "{{ lookup('ansible.builtin.file', fake_calls ~ '/' ~ inventory_hostname) }}\\n"
  delegate_to: localhost

- name: "{{ hook | capitalize }} it"
  ansible.builtin.fail:
    msg: as told
  when: fake[hook] | default(false) is true

- name: "{{ hook | capitalize }} it"
  ansible.builtin.fail:
    msg: token-of-the-balancer
  no_log: true
  when: fake[hook] | default(false) == 'secretly'
"""


def calls(folder: Path, host: str) -> list[str]:
    made = [json.loads(line)["call"] for line in (folder / host).read_text().splitlines()]
    return [call for call in made if call != "patch_story"]  # once a run


@pytest.fixture
def fleet(clone, tmp_path):
    fake_patch.install(clone.path)
    (tmp_path / "calls").mkdir()
    variables = {
        name: {"fake": fake, **{key: fake[key] for key in ("patch_rollback", "patch_mode") if key in fake}}
        for name, (fake, *_rest) in HOSTS.items()
    }  # fmt: skip
    inventory = clone.inventory(
        variables,
        fake_calls=str(tmp_path / "calls"),
        patch_backup="require",
        patch_drain_tasks="tasks/drain.yml",
        patch_undrain_tasks="tasks/undrain.yml",
        patch_soak=0,
        patch_ring_failures="100%",
    )
    (Path(inventory) / "tasks").mkdir()
    for hook, path in (("drain", "tasks/drain.yml"), ("undrain", "tasks/undrain.yml")):
        text = "---" + HOOK.replace("hook | capitalize", f"'{hook}' | capitalize").replace("hook", f"'{hook}'")
        (Path(inventory) / path).write_text(text.replace("''", "'"))
    return inventory


@pytest.mark.once
def test_each_step_failed_once(clone, fleet, tmp_path):
    ran = clone.run("playbooks/patch.yml", inventory=fleet, cmdline="--skip-tags audit", patch_wave="100%")
    assert ran.rc != 0, ran.stdout
    told = {each["host"]: each["data"] for each in clone.observations() if each["phase"] == "patch"}
    came_to = {
        name: (calls(tmp_path / "calls", name)[1:], told[name]["outcome"]) for name in HOSTS
    }  # the first call looks at the policy alone
    assert came_to == {name: (steps, outcome) for name, (_fake, steps, outcome, _words) in HOSTS.items()}
    for name, (_fake, _steps, _outcome, words) in HOSTS.items():
        assert (words or "") in (told[name]["reason"] or "") and bool(words) == bool(told[name]["reason"]), name
    assert {each["host"] for each in clone.observations() if each["phase"] == "patch_level"} == set(HOSTS)
    written = [path.read_text() for path in clone.path.glob("runs/**/*") if path.is_file()]
    assert "token-of-the-balancer" not in "".join(written)  # the screen is Ansible's own


@pytest.mark.once
@pytest.mark.parametrize(
    "fake, outcome, words",
    [
        ({"patch_judge verify": [RED, {}]}, "rolled_back", "port 443"),
        # Well when it was verified, and no more when the soak time is over.
        ({"patch_health": [{}, RED]}, "needs_attention", "port 443"),
    ],
    ids=["verified", "soaked"],
)
def test_a_canary_that_fails_keeps_the_others_from_starting(clone, tmp_path, fake, outcome, words):
    fake_patch.install(clone.path, but="patch_admit")
    (tmp_path / "calls").mkdir()
    inventory = clone.inventory(
        {"bird": {"fake": fake}, "big": {}, "other": {}},
        fake_calls=str(tmp_path / "calls"),
        patch_backup="skip",
        patch_soak=1,
    )
    rings = {"ring_canary": {"hosts": {"bird": {}}}, "ring_main": {"hosts": {"big": {}, "bird": {}}}}
    (tmp_path / "rings.json").write_text(json.dumps({"all": {"children": rings}}))
    ran = clone.run(
        "playbooks/patch.yml", inventory=inventory, cmdline=f"-i {tmp_path / 'rings.json'} --skip-tags audit"
    )
    assert ran.rc != 0, ran.stdout
    files = sorted(clone.path.glob("runs/*/hosts/*/patch*.json"), key=lambda path: path.stat().st_mtime_ns)
    found = [json.loads(path.read_text()) for path in files]
    told = {each["host"]: each for each in found if each["phase"] == "patch"}
    assert told["bird"]["data"]["outcome"] == outcome and words in told["bird"]["reason"], told["bird"]["reason"]
    for name in ("big", "other"):
        assert told[name]["reason"].startswith("ring_stopped: ") and "bird failed" in told[name]["reason"]
        assert calls(tmp_path / "calls", name) == ["patch_begin look", "patch_level"]
    assert calls(tmp_path / "calls", "bird").count("patch_apply apply") == 1
