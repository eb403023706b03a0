# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import hashlib

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import findings

COLLECTED = "2026-11-23T09:00:00Z"


def found(data):
    return findings.of_patch_level(data, "shop", "web1", COLLECTED)


def told(data):
    return [(each["check_id"], each["subject"]) for each in found(data)]


def test_fingerprint_is_the_contract_s():
    array = b'["v1","shop","patch","reboot_due","w\\u00e9b","host"]'
    assert findings.fingerprint("shop", "patch", "reboot_due", "w\u00e9b", "host") == hashlib.sha256(array).hexdigest()


def test_a_host_in_order_has_no_finding(samples):
    assert told(samples.patch_level(pending=[])) == []
    assert told({}) == []


def test_security_is_grouped_by_source_and_the_rest_is_one(samples):
    pending = [
        samples.package("libssl3", security=True, source_name="openssl", severity="low", severity_source="DSA"),
        samples.package("openssl", security=True, severity="high", severity_source="DSA"),
        samples.package("perl", security=True, severity="critical"),
        samples.package("vim"),
        samples.package("nano", blocked_by="held"),
    ]
    every = found(samples.patch_level(pending=pending))
    assert [(each["check_id"], each["subject"], each["severity"], each["severity_source"]) for each in every] == [
        ("pending_security", "openssl", "high", "DSA"),
        ("pending_security", "perl", "unknown", None),  # a severity without its source is none
        ("pending_updates", "apt", "unknown", None),
    ]
    assert [package["name"] for package in every[0]["evidence"]] == ["libssl3", "openssl"]
    assert every[2]["evidence"] == [{"pending": 2, "blocked": 1}]
    assert {each["owner"] for each in every[:2]} == {"security_lead"}
    assert all(each["first_seen"] is None and each["last_seen"] == COLLECTED and each["due"] is None for each in every)


@pytest.mark.parametrize(
    ("change", "check_id", "subject"),
    [
        ({"reboot": {"required": True, "reasons": ["kernel"]}}, "reboot_due", "host"),
        ({"services_stale": [{"unit": "ssh.service", "pids": [1], "files": []}]}, "stale_service", "ssh.service"),
        ({"metadata": {"stale": True, "refreshed_at": None}}, "stale_metadata", "apt"),
        ({"metadata": {"repositories": []}}, "no_security_repository", "apt"),
        ({"metadata": {"repositories": [{"security": True, "enabled": False}]}}, "no_security_repository", "apt"),
        ({"metadata": {"repositories": [], "tells_security": True}}, "no_security_repository", "apt"),
        ({"health": {"interrupted": True}}, "interrupted", "apt"),
        ({"health": {"half_configured": ["udev"]}}, "half_configured", "udev"),
        ({"health": {"half_configured": [{"name": "udev"}]}}, "half_configured", "udev"),
        ({"health": {"boot_full": True, "boot_free_bytes": 1, "boot_needed_bytes": 2}}, "boot_full", "/boot"),
        ({"removals": [{"name": "python2", "version": "2", "because": "x"}]}, "full_upgrade_removals", "apt"),
    ],
)
def test_each_kind(samples, change, check_id, subject):
    assert told(samples.patch_level(pending=[], **change)) == [(check_id, subject)]


def test_no_security_repository_is_missed_where_there_is_no_such_thing(samples):
    metadata = {"repositories": [{"id": "core", "security": False, "enabled": True}], "tells_security": False}
    assert told(samples.patch_level(pending=[], metadata=metadata)) == []


@pytest.mark.parametrize(
    ("host", "repositories", "ended"),
    [
        ({"eol_date": "2026-08-31"}, [], True),
        ({"eol_date": "2028-08-31"}, [], False),
        ({"eol_date": None}, [], False),
        ({"eol_date": "2025-05-29"}, [{"origin": "UbuntuESM", "enabled": True}], False),
        ({"eol_date": "2025-05-29"}, [{"origin": "UbuntuESM", "enabled": False}], True),
    ],
)
def test_a_release_that_has_ended(host, repositories, ended):
    data = {"host": {"os_id": "debian", "os_version": "11", **host}, "metadata": {"repositories": repositories}}
    assert bool(findings.end_of_life(data, "2026-11-23T09:00:00Z")) is ended
    found = findings.of_patch_level(data, "shop", "web1", "2026-11-23T09:00:00Z")
    assert ("end_of_life" in {each["check_id"] for each in found}) is ended


def test_an_unknown_reboot_is_no_finding(samples):
    assert told(samples.patch_level(pending=[], reboot={"required": None, "reasons": []})) == []


def test_a_blocked_security_update_keeps_its_own_finding(samples):
    pending = [samples.package("bash", security=True, blocked_by="held")]
    assert told(samples.patch_level(pending=pending)) == [("pending_security", "bash"), ("blocked_security", "bash")]
