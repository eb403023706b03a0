# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reasons, advisories and freshness of rpm hosts, out of facts that any of their managers may have given."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _rpm_freshness, _rpm_pending
from ansible_collections.proven.upkeep.plugins.module_utils.packages._refresh_note import Refresh
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpm import RpmPackage
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpm_view import (
    Advisory,
    Available,
    Facts,
    Gone,
    Lock,
    RpmRepo,
    Step,
)

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def here(name, evr="1-1", arch="x86_64", module=None):
    return RpmPackage(name, arch, evr, name, evr, 1, module)


def offer(name, evr, hidden=None, repo="updates", arch="x86_64"):
    return Available(name, arch, evr, repo, f"{name}-{evr}.src.rpm", hidden)


def facts(newer=(), install=(), **more):
    steps = [Step(package, "upgrade") for package in install]
    given = {"remove": [], "problems": [], "advisories": [], **more}
    return Facts("1", given.pop("repositories", [RpmRepo("updates", True)]), list(newer), steps, **given)


def pending(made, *packages, tool="dnf"):
    return {(entry.name, entry.arch): entry for entry in _rpm_pending.collect(made, packages, tool)[0]}


@pytest.mark.parametrize(
    "made, by, part",
    [
        (facts([offer("a", "2-1", "excluded")], excludes=["b", "a*"]), "excluded", "excludepkgs=a*"),
        (facts([offer("a", "2-1", "excluded")]), "excluded", "see excludepkgs and includepkgs"),
        (facts([offer("a", "2-1", "modular")]), "modular", "dnf module list a"),
        (facts([offer("a", "2-1")]), "kept_back", "do not show why: see `dnf upgrade a`"),
        (
            facts([offer("a", "2-1")], problems=[["no", "needs x"], ["a-2-1.x86_64 no", "needs y"]]),
            "kept_back",
            "needs y.",
        ),
        (facts([offer("a", "2-1")], problems=[["a-2-1.x86_64 no"]], best=True), "kept_back", "nothing at all before"),
        (
            facts([offer("a", "2-1", "excluded")], locks=[Lock("a-1-1.*", ("a",), True)]),
            "held",
            "locked at 1-1 (a-1-1.*): `dnf versionlock delete a`",
        ),
        (facts([offer("a", "2-1", "excluded")], locks=[Lock("a", ("a",), False)]), "pinned", "another version"),
        (
            facts([offer("a", "2-1", "excluded")], locks=[Lock("!a", ("a",), True, True)]),
            "pinned",
            "forbids this version",
        ),
        (
            facts([offer("a", "2-1")], [offer("a", "2-1")], repositories=[RpmRepo("updates", True, needs="no key.")]),
            "esm",
            "2-1 needs a subscription: no key.",
        ),
        (
            facts(
                [offer("a", "2-1"), offer("a", "2-1", repo="free")],
                [offer("a", "2-1")],
                repositories=[RpmRepo("updates", True, needs="no key."), RpmRepo("free", True)],
            ),
            None,
            None,
        ),
    ],
)
def test_reasons(made, by, part):
    entry = pending(made, here("a"))["a", "x86_64"]
    assert entry.blocked_by == by
    assert entry.blocked_detail is None if part is None else part in entry.blocked_detail


def test_a_part_of_the_way():
    """What is planned does not hide that more is there: that stands beside it, with its reason."""
    made = facts([offer("a", "2-1"), offer("a", "3-1", "excluded")], [offer("a", "2-1")], excludes=["a-3*"])
    entries = _rpm_pending.collect(made, [here("a")], "dnf")[0]
    assert {entry.candidate: entry.blocked_by for entry in entries} == {"2-1": None, "3-1": "excluded"}


def test_architectures_stay_apart():
    newer = [offer("lib", "2-1"), offer("lib", "2-1", arch="i686"), offer("tool", "2-1")]
    made = facts(newer, [offer("lib", "2-1"), offer("tool", "2-1")])
    found = pending(made, here("lib"), here("lib", arch="i686"), here("tool", arch="noarch"))
    assert {key: entry.blocked_by for key, entry in found.items()} == {
        ("lib", "x86_64"): None,
        ("lib", "i686"): "kept_back",
        ("tool", "x86_64"): None,
    }
    assert not found["tool", "x86_64"].new_dependency  # it changes its architecture


@pytest.mark.parametrize(
    "word, expected",
    [("Important", "high"), ("moderate", "medium"), ("Urgent", "critical"), ("None", "unknown"), (None, "unknown")],
)
def test_severities(word, expected):
    assert _rpm_pending.severity_of(word) == expected


def test_advisories_of_every_version_on_the_way():
    advisories = [
        Advisory("old", "security", "Critical", "2026-01-01T00:00:00Z", ("CVE-1",), (("a", "x86_64", "1-1"),)),
        Advisory("fix", "security", "Low", "2026-02-01T00:00:00Z", ("CVE-2",), (("a", "x86_64", "2-1"),)),
        Advisory("worse", "security", "Moderate", "2026-03-01T00:00:00Z", ("CVE-3",), (("a", "x86_64", "3-1"),)),
        Advisory("bug", "bugfix", None, "2026-01-15T00:00:00Z", (), (("a", "x86_64", "3-1"),)),
        Advisory("later", "security", "Critical", None, ("CVE-4",), (("a", "x86_64", "4-1"),)),
        Advisory("other", "security", "Critical", None, ("CVE-5",), (("a", "s390x", "3-1"),)),
    ]
    made = facts([offer("a", "3-1")], [offer("a", "3-1")], advisories=advisories)
    entry = pending(made, here("a"))["a", "x86_64"]
    assert (entry.advisories, entry.cves) == (["bug", "fix", "worse"], ["CVE-2", "CVE-3"])
    assert (entry.security, entry.security_version, entry.severity) == (True, "2-1", "medium")
    assert (entry.severity_source, entry.published_at) == ("updateinfo", "2026-02-01T00:00:00Z")


def test_removals_say_why():
    made = facts(
        install=[offer("kernel-core", "3-1")],
        remove=[
            Gone("kernel-core", "x86_64", "1-1"),
            Gone("old", "noarch", "1-1", "new 2-1"),
            Gone("lost", "noarch", "1-1"),
        ],
    )
    packages = [here("kernel-core", "1-1"), here("kernel-core", "2-1"), here("old", arch="noarch"), here("lost")]
    entries, removals = _rpm_pending.collect(made, packages, "dnf")
    assert [(e.name, e.installed, e.blocked_by) for e in entries] == [("kernel-core", "2-1", None)]
    because = {removal.name: removal.because for removal in removals}
    assert "installonly_limit" in because["kernel-core"] and because["old"] == "new 2-1 obsoletes it."
    assert because["lost"].startswith("An upgrade cannot keep it")


@pytest.mark.parametrize(
    "pattern, meant",
    [
        ("bash", True),
        ("bas*", True),
        ("bash.x86_64", True),
        ("bash-5.1.8", True),
        ("bash-1:5.1.8-9.el9", True),
        ("bash-5.1.8-9.el9.x86_64", True),
        ("bash.i686", False),
        ("bash-5.1.9", False),
    ],
)
def test_patterns_of_excludes(pattern, meant):
    assert _rpm_pending.matches(pattern, offer("bash", "1:5.1.8-9.el9")) is meant


def judge(repositories, root="/nowhere", **more):
    given = {"max_age": 3600, "refresh": None, **more}
    return _rpm_freshness.judge("dnf", repositories, root, given["max_age"], NOW, given["refresh"], "dnf makecache")


def test_metadata(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path))
    info = tmp_path / "updateinfo.xml"
    info.write_text('<updates><update type="security"/></updates>')
    at = NOW.timestamp()
    good = {"fetched": True, "refreshed_at": at - 60, "updateinfo": str(info)}
    fine = judge([RpmRepo("a", True, **good), RpmRepo("off", False)])
    assert (fine.stale, fine.refreshed_at, fine.problems) == (False, "2026-05-31T23:59:00Z", [])
    mixed = judge([RpmRepo("a", True, **good), RpmRepo("b", True, **{**good, "refreshed_at": at - 7200})])
    assert mixed.stale and mixed.refreshed_at == "2026-05-31T22:00:00Z" and "repository b was last" in mixed.problems[0]
    expired = judge([RpmRepo("a", True, expired=True, **good)])
    assert expired.stale and "marked as expired" in expired.problems[0]
    failed = judge([RpmRepo("a", True, **good)], refresh=Refresh(False, ["Refresh: no."]))
    assert (failed.stale, failed.refresh_ok, failed.problems) == (True, False, ["Refresh: no."])
    blind = judge([RpmRepo("a", True, **{**good, "updateinfo": None})])
    assert not blind.stale and not blind.repositories[0].security
    assert blind.problems[-1] == "No configured repository has security advisories."
    unreadable = judge([RpmRepo("a", True, **{**good, "updateinfo": str(tmp_path / "none.zck")})])
    assert unreadable.repositories[0].security


@pytest.mark.parametrize("registered, part", [(False, "subscription-manager register"), (True, "nothing can be said")])
def test_a_red_hat_host_without_repositories(tmp_path, monkeypatch, registered, part):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "etc/rhsm").mkdir(parents=True)
    if registered:
        (tmp_path / "etc/pki/consumer").mkdir(parents=True)
        (tmp_path / "etc/pki/consumer/cert.pem").write_text("")
    found = judge([], str(tmp_path))
    assert found.stale and any(part in problem for problem in found.problems)
