# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's packages, its running kernel, and how it gets what it lacks."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import findings
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.host import match_fleet, match_host
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited

from tests.advisories import level, package, said, update

SEEN = "2026-11-23T09:00:00Z"
OPENSSL = [package("libssl3", "3.0.16-1", "openssl"), package("openssl", "3.0.16-1")]
FIX = said("openssl", "CVE-1", fixed="3.0.17-1", advisory="DSA-1", severity="high")
KERNEL_FIX = said("linux", "CVE-9", fixed="6.1.150-1", severity="medium")


def found(matcher, host, rows, exploited=()):
    match = match_host(host, matcher(rows, exploited))
    assert match.problems == []
    return findings.of_match(host, match, "shop", "web1", SEEN)


def one(matcher, host, rows, **more):
    (finding,) = found(matcher, host, rows, **more)
    return finding["evidence"][0]


def test_a_fixable_one(matcher):
    rows = [FIX, said("openssl", "CVE-2", fixed="3.0.17-1", advisory="DSA-1"), said("perl", "CVE-3", "affected")]
    host = level(OPENSSL, [update("libssl3", "3.0.17-1", "openssl"), update("vim", "2")])
    (finding,) = found(matcher, host, rows, [Exploited("CVE-2", SEEN)])
    assert (finding["source"], finding["check_id"], finding["subject"]) == ("advisory", "DSA-1", "openssl")
    assert finding["title"] == "openssl: DSA-1 fixes CVE-2, CVE-1"
    assert finding["severity"] == "critical" and finding["owner"] == "security_lead" and finding["kind"] == "fixable"
    evidence = finding["evidence"][0]
    assert evidence["fixed"] == "3.0.17-1" and evidence["packages"] == ["libssl3", "openssl"]
    assert (evidence["pending"], evidence["blocked_by"]) == (True, None)
    assert evidence["command"] == "apt-get install --only-upgrade libssl3"
    assert [(each["id"], each["severity"], each["kev"]) for each in evidence["cves"]] == [
        ("CVE-2", "critical", SEEN),
        ("CVE-1", "high", None),
    ]


def test_without_an_advisory_it_is_the_version_that_names_the_fix(matcher):
    (finding,) = found(matcher, level(OPENSSL), [said("openssl", "CVE-1", fixed="3.0.17-1")])
    assert finding["check_id"] == "fixed:3.0.17-1" and finding["title"] == "openssl: version 3.0.17-1 fixes CVE-1"


def test_unfixed_ones_and_deferred_ones(matcher):
    rows = [
        said("openssl", "CVE-1", "affected"),
        said("openssl", "CVE-2", "affected", deferred="no-dsa: Minor issue"),
        said("openssl", "CVE-3", "affected", deferred="no-dsa"),
        said("openssl", "CVE-4", "not_affected"),
    ]
    rows.append(said("openssl", "CVE-5", "affected", deferred="unimportant"))
    match = match_host(level(OPENSSL), matcher(rows, [Exploited("CVE-3", SEEN), Exploited("CVE-5", SEEN)]))
    found = findings.of_match(level(OPENSSL), match, "shop", "web1", SEEN)
    # Put off and exploited all the same is open; what was never built in is not.
    assert {(each["check_id"], each["kind"], each["severity"]) for each in found} == {
        ("CVE-1", "unfixed", "unknown"),
        ("CVE-3", "unfixed", "critical"),
    }
    assert findings.deferred(match) == [
        {"reason": "no-dsa", "package": "openssl", "cves": ["CVE-2"], "kev": []},
        {"reason": "unimportant", "package": "openssl", "cves": ["CVE-5"], "kev": ["CVE-5"]},
    ]


@pytest.mark.parametrize(
    ("pending", "pends", "blocked", "command"),
    [
        ([], False, None, "apt-get update && apt-get install --only-upgrade libssl3 openssl"),
        ([update("libssl3", "3.0.16-2", "openssl")], False, None,
         "apt-get update && apt-get install --only-upgrade libssl3 openssl"),
        ([update("libssl3", "3.0.18-1", "openssl", blocked_by="held", blocked_detail="apt-mark unhold libssl3")],
         True, "held", "apt-get install --only-upgrade libssl3"),
    ],
)  # fmt: skip
def test_whether_an_update_reaches_the_fix(matcher, pending, pends, blocked, command):
    evidence = one(matcher, level(OPENSSL, pending), [FIX])
    assert (evidence["pending"], evidence["blocked_by"], evidence["command"]) == (pends, blocked, command)
    assert evidence["blocked_detail"]  # what to do


@pytest.mark.parametrize(
    ("manager", "os", "command"),
    [
        ("apt", ("debian", "12"), "apt-get install --only-upgrade openssl"),
        ("dnf", ("rhel", "9.4"), "dnf upgrade --advisory=RHSA-1"),
        ("dnf5", ("almalinux", "10.0"), "dnf upgrade --advisory=RHSA-1"),
        ("zypper", ("sles", "15.6"), "zypper patch --cve=CVE-1,CVE-2"),
        ("apk", ("alpine", "3.19.1"), "apk upgrade openssl"),
    ],
)
def test_each_manager_s_command(matcher, manager, os, command):
    from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import releases

    rows = [
        said("openssl", name, fixed="3-r1" if manager == "apk" else "3-1", release=releases.key(*os), advisory="RHSA-1")
        for name in ("CVE-1", "CVE-2")
    ]
    version = "3-r2" if manager == "apk" else "3-2"
    host = level([package("openssl", "2-r1" if manager == "apk" else "2-1")], [update("openssl", version)], os)
    assert one(matcher, {**host, "manager": manager}, rows)["command"] == command


def test_what_needs_a_subscription_says_so(matcher):
    rows = [said("openssl", "CVE-1", fixed="3.0.17-1", release="ubuntu:22.04", subscription="esm-apps")]
    evidence = one(matcher, level(OPENSSL, os=("ubuntu", "22.04")), rows)
    assert evidence["blocked_by"] == "esm" and "esm-apps" in evidence["blocked_detail"]
    assert evidence["command"] == "pro enable esm-apps"


def test_an_rpm_is_judged_by_its_own_name_too(matcher):
    rows = [
        said("openssl-libs", "CVE-1", fixed="1:3-1", release="rhel:9", kind="binary"),
        said("openssl", "CVE-2", fixed="1:3-1", release="rhel:9", advisory="RHSA-2"),
        said("openssl-libs", "CVE-2", fixed="1:3-1", release="rhel:9", kind="binary"),
    ]
    host = level([package("openssl-libs", "1:2-1", "openssl")], os=("rhel", "9.4"))
    match = match_host(host, matcher(rows))
    (affected,) = match.affected
    # Once, though both say it; the one that knows the advisory.
    assert [(each.id, each.advisory) for each in affected.vulnerabilities] == [("CVE-1", None), ("CVE-2", "RHSA-2")]
    # A binary's statement is no source's, and dpkg has none of them.
    assert match_host(level([package("openssl-libs", "2-1", "x")]), matcher([*rows, FIX], name="b")).affected == []


def test_an_old_library_beside_the_new_one_still_counts(matcher):
    both = [package("libssl3", "3.0.16-1", "openssl"), package("openssl", "3.0.17-1")]
    assert one(matcher, level(both), [FIX])["packages"] == ["libssl3"]


def test_what_was_removed_but_for_its_configuration_is_not_there(matcher):
    assert found(matcher, level([package("openssl", "3.0.16-1", state="config-files")]), [FIX]) == []


def kernel_host(pending=(), running="6.1.0-35-amd64", **of):
    images = [
        package("linux-image-6.1.0-35-amd64", "6.1.137-1", "linux-signed-amd64", "6.1.137+1"),
        package("linux-image-6.1.0-40-amd64", "6.1.153-1", "linux-signed-amd64", "6.1.153+1"),
        package("linux-libc-dev", "6.1.100-1", "linux"),
    ]
    return level(images, pending, container=False, kernel={"running": running, **of})


def test_a_fixed_kernel_that_waits_for_a_reboot(matcher):
    host = kernel_host(newest_installed="6.1.0-40-amd64", reboot_needed=True)
    evidence = one(matcher, host, [KERNEL_FIX])
    assert evidence["command"] == "systemctl reboot" and "reboot" in evidence["blocked_detail"]
    assert evidence["installed"] == "6.1.137-1" and evidence["packages"] == ["linux-image-6.1.0-35-amd64"]


def test_the_running_kernel_alone_counts(matcher):
    host = kernel_host(running="6.1.0-40-amd64", newest_installed="6.1.0-40-amd64", reboot_needed=False)
    assert found(matcher, host, [KERNEL_FIX]) == []
    # Headers are no kernel, and a container's kernel is its host's.
    assert found(matcher, {**host, "host": level([])["host"]}, [KERNEL_FIX]) == []


def test_a_kernel_update_that_is_pending(matcher):
    later = said("linux", "CVE-9", fixed="6.1.160-1")
    updates = [
        update("linux-image-amd64", "6.1.162-1", "linux-signed-amd64", source_version="6.1.162+1"),
        update("linux-libc-dev", "6.1.162-1", "linux"),
    ]
    evidence = one(matcher, kernel_host(updates), [later])
    assert evidence["command"] == "apt-get install --only-upgrade linux-image-amd64 && systemctl reboot"
    assert evidence["pending"] is True
    # Headers alone bring no kernel.
    assert one(matcher, kernel_host(updates[1:]), [later])["pending"] is False


def test_ubuntu_s_metapackage_brings_the_kernel_and_does_not_say_which(matcher):
    os = ("ubuntu", "22.04")
    image = package("linux-image-6.8.0-50-generic", "6.8.0-50.51", "linux-signed-hwe-6.8")
    host = level([image], os=os, container=False, kernel={"running": "6.8.0-50-generic"})
    rows = [said("linux-hwe-6.8", "CVE-9", fixed="6.8.0-60.63", release="ubuntu:22.04")]
    meta = update("linux-image-generic-hwe-22.04", "6.8.0.55.57", "linux-meta-hwe-6.8")
    new = update("linux-image-6.8.0-60-generic", "6.8.0-60.63", "linux-signed-hwe-6.8", new_dependency=True)
    # As Debian orders versions, 6.8.0.55.57 is newer than 6.8.0-60.63.
    assert one(matcher, {**host, "pending": [meta]}, rows)["pending"] is False
    evidence = one(matcher, {**host, "pending": [meta, new]}, rows)
    assert evidence["pending"] is True
    assert evidence["command"] == "apt-get install --only-upgrade linux-image-generic-hwe-22.04 && systemctl reboot"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (level(OPENSSL, os=("arch", None)), "no advisory source speaks of arch"),
        (level(OPENSSL, os=(None, None)), "no advisory source speaks of a system of no name"),
        (level(OPENSSL, os=("debian", "13")), "says nothing of debian 13"),
        ({**level([]), "installed": None}, "does not say what is installed"),
        (level([package("openssl", "no version")]), "the versions of 1 packages cannot be read: openssl"),
        (kernel_host(running="6.18.44-handmade"), "6.18.44-handmade is of no installed package"),
    ],
)
def test_what_cannot_be_judged_says_so(matcher, host, words):
    match = match_host(host, matcher([FIX]))
    assert [words in problem for problem in match.problems] == [True]


def test_a_stream_of_hosts_is_judged_like_each_of_them_and_each_package_once(matcher):
    rows = [FIX, said("perl", "CVE-2", "affected")]
    hosts = [(f"h{number}", level([*OPENSSL, package("perl", f"5.{number % 3}-1")])) for number in range(30)]
    made = matcher(rows)
    fleet = dict(match_fleet(iter(hosts), made))
    assert made.judged == 1 + 3
    again = matcher(rows, name="again")
    assert all(fleet[name] == match_host(host, again) for name, host in hosts)


def test_a_pending_update_says_what_it_fixes(matcher):
    host = level(OPENSSL, [update("openssl", "3.0.17-1"), update("vim", "2")])
    rows = [FIX, said("openssl", "CVE-2", fixed="3.0.18-1", severity="critical")]
    pending = [
        {"check_id": "pending_security", "subject": "openssl", "severity": "unknown", "severity_source": None,
         "evidence": [{"name": "openssl", "arch": "amd64"}]},
        {"check_id": "reboot_due", "subject": "host", "severity": "unknown", "evidence": []},
    ]  # fmt: skip
    openssl, reboot = findings.enriched(pending, host, match_host(host, matcher(rows)))
    assert (openssl["severity"], openssl["severity_source"]) == ("high", "debian")
    assert [each["id"] for each in openssl["cves"]] == ["CVE-1"]
    assert reboot == pending[1]
