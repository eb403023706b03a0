# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which units are restarted, in which order, and what came of it; with a systemctl of the test's own."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import restarts
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import StaleService
from ansible_collections.proven.upkeep.plugins.module_utils.patching import deferred, restart, systemd

from tests import systemds


def unit(**properties):
    return {"LoadState": "loaded", "ActiveState": "active", "Type": "simple", "InvocationID": "1", **properties}


@pytest.fixture
def host(tmp_path, monkeypatch):
    """host(units, stale) is a host with these units, of which some run replaced code until they are restarted."""
    monkeypatch.setattr(restart, "_SETTLE", 0.0)
    fake = systemds.running(tmp_path, monkeypatch)

    def make(units, stale=None):
        fake.load(units)
        names = list(units) if stale is None else stale

        def scan():
            done = {call[-1] for call in fake.told if call[0] == "try-restart"}
            done |= {restart.MANAGER for call in fake.told if call == ["daemon-reexec"]}
            return restarts.Scan([StaleService(name, [1], ["/lib/x"], ["x"]) for name in names if name not in done])

        monkeypatch.setattr(restarts, "scan", scan)
        return fake

    return make


def names(entries):
    return [entry["unit"] for entry in entries]


def test_nothing_is_stale(host):
    fake = host({})
    result = restart.restart()
    assert result["status"] == "ok" and not result["restarted"] and not result["left"]
    assert fake.told == []


def test_each_after_what_it_starts_after_and_systemd_first(host):
    fake = host(
        {
            "app.service": unit(After="db.service network.target cache.service"),
            "cache.service": unit(After="db.service"),
            "db.service": unit(After="sysinit.target"),
            "web.service": unit(),
        },
        ["app.service", "cache.service", "db.service", "init.scope", "web.service"],
    )
    result = restart.restart()
    assert names(result["restarted"]) == [
        "init.scope",
        "db.service",
        "cache.service",
        "app.service",
        "web.service",
    ]
    assert fake.told[0] == ["daemon-reexec"]
    assert [call[-1] for call in fake.told[1:]] == names(result["restarted"])[1:]
    assert all(isinstance(entry["duration_ms"], int) for entry in result["restarted"])
    assert (result["left"], result["status"], result["reboot_wanted"]) == ([], "ok", False)


def test_a_circle_of_units_ends():
    ring = [{"Id": "b", "After": "a"}, {"Id": "a", "After": "b"}]
    assert [each["Id"] for each in restart.order(ring)] == ["b", "a"]


def test_what_one_takes_along_is_not_restarted_twice(host):
    fake = host({"db.service": unit(takes_along=["shop.service"]), "shop.service": unit(After="db.service")})
    assert names(restart.restart()["restarted"]) == ["db.service", "shop.service"]
    assert [call[-1] for call in fake.told] == ["db.service"]


def test_excluded_and_deferred_are_named_and_stay_stale(host):
    fake = host({name: unit() for name in ("dbus.service", "postgresql@15-main.service", "nginx.service")})
    result = restart.restart(["postgresql@*"])
    assert names(result["restarted"]) == ["nginx.service"]
    assert result["excluded"] == [{"unit": "postgresql@15-main.service", "why": "policy excludes postgresql@*"}]
    assert names(result["deferred"]) == ["dbus.service"] and result["reboot_wanted"] is True
    assert names(result["left"]) == ["dbus.service", "postgresql@15-main.service"]
    assert len(fake.told) == 1


@pytest.mark.parametrize("glob, hit", [("nginx", True), ("nginx.service", True), ("ngin?", True), ("ngin", False)])
def test_globs_with_and_without_the_suffix(glob, hit):
    assert (restart.excluded_by("nginx.service", [glob]) is not None) is hit


def test_a_unit_that_does_not_come_back_fails(host):
    fake = host(
        {
            "broken.service": unit(rc=1, on_restart={"ActiveState": "failed"}),
            "dying.service": unit(on_restart={"ActiveState": "failed"}),
            "looping.service": unit(on_restart={"ActiveState": "activating"}),
            "well.service": unit(),
        }
    )
    result = restart.restart()
    assert result["status"] == "failed"
    assert names(result["restarted"]) == ["well.service"]
    assert {entry["unit"]: entry["why"].split(";")[0] for entry in result["failed"]} == {
        "broken.service": "Job for broken.service failed because the control process exited with error code",
        "dying.service": "was restarted and is failed now",
        "looping.service": "was restarted and is activating now",
    }
    assert len(fake.told) == 4


def test_a_unit_that_was_not_active_stays_so(host):
    fake = host({"stopped.service": unit(ActiveState="inactive"), "died.service": unit(ActiveState="failed")})
    result = restart.restart()
    assert fake.told == [] and result["restarted"] == []
    assert names(result["left"]) == ["stopped.service", "died.service"]


def test_one_that_hangs_does_not_stop_the_rest(host, monkeypatch):
    host({"a.service": unit(), "b.service": unit()})
    real = systemd.call

    def call(*arguments, timeout=60):
        if arguments[-1] == "a.service":
            raise UpkeepError("command_failed", "systemctl try-restart did not end within 90 seconds and was stopped.")
        return real(*arguments, timeout=timeout)

    monkeypatch.setattr(systemd, "call", call)
    result = restart.restart()
    assert names(result["failed"]) == ["a.service"] and names(result["restarted"]) == ["b.service"]


def test_check_mode_only_says_it(host):
    fake = host({"a.service": unit(), "dbus.service": unit()}, ["a.service", "dbus.service", "init.scope"])
    result = restart.restart(check_mode=True)
    assert result["restarted"] == [
        {"unit": "init.scope", "duration_ms": None},
        {"unit": "a.service", "duration_ms": None},
    ]
    assert names(result["left"]) == ["dbus.service"]
    assert fake.told == []


def test_a_host_without_systemd_says_that_nothing_was_restarted(host, monkeypatch, tmp_path):
    host({"a.service": unit()})
    monkeypatch.setattr(systemd, "BOOTED", str(tmp_path / "none"))
    result = restart.restart()
    assert result["not_seen"] == ["Nothing was restarted: this host is not run by systemd."]
    assert names(result["left"]) == ["a.service"]


@pytest.mark.parametrize(
    "name, properties, own, reboot",
    [
        ("dbus-broker.service", {}, None, True),
        ("systemd-logind.service", {}, None, True),
        ("user@1000.service", {}, None, True),
        ("serial-getty@ttyS0.service", {}, None, True),
        ("NetworkManager.service", {}, None, True),
        ("ifup@eth0.service", {}, None, True),
        ("openvpn-client@office.service", {}, None, True),
        ("gdm3.service", {}, None, True),
        ("libvirtd.service", {}, None, True),
        ("auditd.service", {"RefuseManualStop": "yes"}, None, True),
        ("libpod-conmon-1f.scope", {}, None, False),
        ("sshd@3-192.0.2.1:22-192.0.2.9:40112.service", {"KillMode": "process"}, None, False),
        ("run-u4.service", {"Transient": "yes"}, None, False),
        ("backup.service", {"Type": "oneshot"}, None, False),
        ("cron.service", {}, "cron.service", False),
        ("ssh.service", {"KillMode": "control-group"}, "ssh.service", False),
    ],
)
def test_what_is_left_alone(name, properties, own, reboot):
    found = deferred.reason({"Id": name, "Type": "simple", **properties}, own)
    assert found is not None and found[1] is reboot


@pytest.mark.parametrize(
    "name, own",
    [
        ("ssh.service", "ssh.service"),
        ("sshd.service", None),
        ("nginx.service", "ssh.service"),
        ("systemd-journald.service", None),
        ("systemd-udevd.service", None),
        ("systemd-resolved.service", None),
        ("birdcage.service", None),
        ("dbusmon.service", None),
    ],
)
def test_what_may_be_restarted(name, own):
    assert deferred.reason({"Id": name, "Type": "notify", "KillMode": "process"}, own) is None
