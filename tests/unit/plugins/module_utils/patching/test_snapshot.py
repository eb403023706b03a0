# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is like: units of a recorded text, and the boot."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.patching import snapshot, systemd

from tests import systemds

RECORDED = Path(__file__).parent / "recorded"


def test_units_that_are_to_stay_as_they_are():
    shown = systemd.parse_show((RECORDED / "show.txt").read_text())
    assert len(shown) == 13
    assert snapshot.judge_units(shown) == {
        "failed": ["ssh.service"],
        "active": [
            "byhand.service",
            "dev-hugepages.mount",
            "postgresql@15-main.service",
            "shop.service",
            "systemd-logind.service",
        ],
        "on_demand": ["proc-sys-fs-binfmt_misc.mount", "systemd-hostnamed.service"],
        "restarts": {"shop.service": 2},
        "seen": True,
    }


@pytest.mark.parametrize(
    "unit, one",
    [
        ("sshd@3-192.0.2.1:22-192.0.2.9:40112.service", True),
        ("sshd@12-2001:db8::1:22-2001:db8::9:40112.service", True),
        ("systemd-coredump@3-1234-0.service", True),
        ("postgresql@15-main.service", False),
        ("getty@tty1.service", False),
        ("ifup@eth0.service", False),
        ("mysql@2.service", False),
    ],
)
def test_units_of_one_connection(unit, one):
    assert systemd.is_per_connection(unit) is one


def test_a_look_at_a_host_with_systemd(tmp_path, monkeypatch):
    fake = systemds.running(tmp_path, monkeypatch)
    shown = systemd.parse_show((RECORDED / "show.txt").read_text())
    fake.load({unit["Id"]: unit for unit in shown})
    look = snapshot.take()
    assert look["units"] == snapshot.judge_units(shown)
    assert look["not_seen"] == []
    assert fake.questions == 1


def test_a_host_without_systemd_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "BOOTED", str(tmp_path / "none"))
    look = snapshot.take()
    assert look["units"] == {"failed": [], "active": [], "on_demand": [], "restarts": {}, "seen": False}
    assert look["not_seen"] == ["units: this host is not run by systemd."]
    assert look["boot"] == snapshot.boot() and look["boot"]["boot_id"] and look["boot"]["init_started"] >= 0


def test_the_start_of_process_1_whatever_its_name(tmp_path):
    (tmp_path / "1").mkdir()
    fields = " ".join(["S", *(str(number) for number in range(4, 53))])
    (tmp_path / "1/stat").write_text(f"1 (in) it (x) {fields}\n")
    assert snapshot.boot(str(tmp_path))["init_started"] == 22
    assert snapshot.boot(str(tmp_path / "none"))["init_started"] is None


def test_units_that_are_gone_for_a_good_reason(tmp_path, monkeypatch):
    fake = systemds.running(tmp_path, monkeypatch)
    once = {"ActiveState": "inactive", "Type": "oneshot"}
    fake.load(
        {
            # A recorded answer for an alias is that of the unit itself.
            "mysql.service": {"ActiveState": "active", "Type": "notify", "ConditionResult": "yes"},
            "systemd-sysusers.service": {**once, "ConditionResult": "no"},
            "nftables.service": {**once, "ConditionResult": "yes"},
            "shop.service": {"ActiveState": "inactive", "Type": "simple", "ConditionResult": "no"},
            "db.service": {"ActiveState": "failed", "Type": "oneshot", "ConditionResult": "no"},
        }
    )
    names = [
        "shop.service",
        "systemd-sysusers.service",
        "mysql.service",
        "nftables.service",
        "db.service",
        "none.service",
    ]
    assert snapshot.excused(names) == {"mysql.service", "systemd-sysusers.service"}
    assert snapshot.excused([]) == set()
    fake.program("systemctl", "#!/bin/sh\nexit 1\n")
    assert snapshot.excused(names) == set()


@pytest.mark.parametrize(
    "one, other, same",
    [
        ({"boot_id": "a", "init_started": 5}, {"boot_id": "a", "init_started": 5}, True),
        ({"boot_id": "a", "init_started": 5}, {"boot_id": "b", "init_started": 5}, False),
        # A container, started again on the same machine.
        ({"boot_id": "a", "init_started": 5}, {"boot_id": "a", "init_started": 900}, False),
        ({"boot_id": "a", "init_started": None}, {"boot_id": "a", "init_started": 900}, True),
        ({"boot_id": None, "init_started": None}, {"boot_id": "a", "init_started": 900}, None),
    ],
)
def test_a_boot_is_told_by_its_id_and_by_the_start_of_process_1(one, other, same):
    assert snapshot.same_boot(one, other) is same
