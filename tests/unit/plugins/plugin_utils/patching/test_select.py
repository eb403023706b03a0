# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is planned and what is left out, and why."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.host import match_host
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import first_seen, policy
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.select import select
from hypothesis import given
from hypothesis import strategies as st

from tests.advisories import level, matcher, package, said, update

__all__ = ["matcher"]

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=timezone.utc)
OPENSSL = update("openssl", "3.0.15-1", installed="3.0.14-1", severity="unknown", origins=["Debian-Security:12"])
VIM = update("vim", "9.1", installed="9.0", security=False, origins=["Debian:12/stable"], severity="unknown")
HELD = {**update("nginx", "1.22.2", installed="1.22.1"), "blocked_by": "held", "blocked_detail": "nginx is on hold."}
BOTH = level([package("openssl", "3.0.14-1"), package("vim", "9.0")], [OPENSSL, VIM])
EXEMPT = {"package": "open*", "reason": "breaks the ERP", "approver": "Ann", "expires": "2026-12-31"}
NOT_NAMED = "not named in patch_list"
KEPT_BACK = {"name": "x", "match": {"origin": ["Debian:*"]}, "approve": False}
WEEK = {"name": "the rest", "approve_after": "7d"}


def chosen(of=BOTH, match=None, seen=None, **variables):
    """(name: why of what is in, name: why of what is out, the selection)."""
    made = policy.parse({f"patch_{name}": value for name, value in variables.items()}, NOW.date())
    asked = []

    def first(wanted):
        asked.append(set(wanted))
        return seen or {}

    found = select(of, made, match, first, NOW)
    assert len(asked) < 2
    return (
        {each["name"]: each["why"] for each in found.wanted},
        {each["name"]: each["why"] for each in found.left_out},
        found,
    )


@pytest.mark.parametrize(
    ("variables", "into", "out"),
    [
        ({}, {"openssl": "security update"}, {"vim": "no security update (patch_mode: security)"}),
        ({"mode": "all"}, {"openssl": "security update", "vim": "update"}, {}),
        ({"mode": "report"}, {"openssl": "security update", "vim": "update"}, {}),
        (
            {"mode": "list", "list": "v*"},
            {"vim": "update, named in patch_list"},
            {"openssl": "not named in patch_list"},
        ),
        (
            {"mode": "list", "list": ["openssl=3.0.14-9", "vim=9.1"]},
            {"vim": "update, named in patch_list"},
            {"openssl": "patch_list wants 3.0.14-9, and what the repositories offer is 3.0.15-1"},
        ),
        (
            {"exceptions": [EXEMPT], "mode": "all"},
            {"vim": "update"},
            {"openssl": "exception until 2026-12-31 by Ann: breaks the ERP"},
        ),
        (
            {"mode": "all", "rules": [{"name": "now", "match": {"security": True}}]},
            {"openssl": "security update, rule 'now'"},
            {"vim": "no rule approves it (update)"},
        ),
        (
            {
                "mode": "all",
                "rules": [{"name": "x", "match": {"origin": ["Debian:*"]}, "approve": False}, {"name": "y"}],
            },
            {"openssl": "security update, rule 'y'"},
            {"vim": "rule 'x' keeps it back (update)"},
        ),
    ],
)
def test_modes_rules_and_exceptions(variables, into, out):
    assert chosen(**variables)[:2] == (into, out)


def test_what_is_wanted_is_as_the_package_manager_offers_it():
    found = chosen()[2]
    assert found.wanted == [
        {
            "name": "openssl", "arch": "amd64", "from": "3.0.14-1", "to": "3.0.15-1", "why": "security update",
            "security": True, "severity": "unknown", "severity_source": None,
        }
    ]  # fmt: skip
    assert found.left_out[0]["to"] == "9.1" and not found.notes


def test_what_is_withheld_is_left_out_with_its_detail():
    _into, out, _found = chosen(level([], [HELD]))
    assert out == {"nginx": "held: nginx is on hold."}
    _into, out, _found = chosen(level([], [{**HELD, "security": False}]))
    assert out == {"nginx": "no security update (patch_mode: security)"}


def test_what_a_person_left_out_does_not_come_along_either():
    def firm(**variables):
        return {each["name"]: each["firm"] for each in chosen(**variables)[2].left_out}

    assert firm() == {"vim": False}
    assert firm(mode="all", exceptions=[EXEMPT]) == {"openssl": True}
    assert firm(mode="all", rules=[KEPT_BACK, WEEK]) == {"vim": True, "openssl": False}
    assert firm(mode="list", list=["openssl=1"]) == {"openssl": True, "vim": False}


def test_new_dependencies_come_along_and_are_not_chosen():
    assert chosen(level([], [{**OPENSSL, "new_dependency": True, "installed": None}]), mode="all")[:2] == ({}, {})


@pytest.mark.parametrize(("mode", "firm"), [("all", ["openssl"]), ("list", ["openssl"])])
def test_what_an_exception_names_stays_whatever_else_leaves_it_out(mode, firm):
    _into, _out, found = chosen(exceptions=[EXEMPT], mode=mode, list=["v*"])
    assert [each["name"] for each in found.left_out if each.get("firm")] == firm
    assert [each["name"] for each in chosen(mode="list", list=["v*"])[2].left_out if each["firm"]] == []


def test_an_exception_that_ended_is_planned_again_and_said():
    into, _out, found = chosen(exceptions=[{**EXEMPT, "expires": "2026-10-31"}])
    assert into == {"openssl": "security update; the exception of Ann ended on 2026-10-31"}
    assert found.notes == ["the exception of Ann ended on 2026-10-31 (breaks the ERP): openssl not left out any more"]
    found = chosen(exceptions=[{**EXEMPT, "package": "erp", "expires": "2026-10-31"}])[2]
    assert "remove it from patch_exceptions" in found.notes[0]


def test_by_source_package():
    library = update("libssl3", "3.0.15-1", source="openssl", installed="3.0.14-1")
    _into, out, _found = chosen(level([], [library]), exceptions=[{**EXEMPT, "package": "openssl"}])
    assert list(out) == ["libssl3"]


@pytest.mark.parametrize(
    ("published", "seen", "inside", "why"),
    [
        (
            "2026-11-22T01:00:00Z", None, False,
            "published 2 days ago, rule 'the rest' approves after 7 days: on 2026-11-29 at 01:00 UTC (security update)",
        ),
        (
            "2026-11-17T02:00:00Z", None, True,
            "security update, published 7 days ago, rule 'the rest' approves after 7 days",
        ),
        (
            None, "2026-11-23T20:00:00Z", False,
            "first seen 6 hours ago, when it was published is not told, rule 'the rest' approves after 7 days: on "
            "2026-11-30 at 20:00 UTC (security update)",
        ),
        (None, "2026-11-01T20:00:00Z", True, "security update, first seen 22 days ago, when it was published is not"),
        (None, None, False, "neither its repository nor an advisory tells when that was; no earlier run saw it"),
        ("2026-12-24T00:00:00Z", None, False, "published in the future, rule"),
    ],
)  # fmt: skip
def test_a_delay_counts_from_the_publication(published, seen, inside, why):
    update = {**OPENSSL, "published_at": published}
    known = {("openssl", "amd64", "3.0.15-1"): times.parse(seen)} if seen else {}
    into, out, _found = chosen(level([], [update]), seen=known, rules=[WEEK])
    assert why in (into if inside else out)["openssl"]


ROWS = [
    said("openssl", "CVE-1", fixed="3.0.15-1", advisory="DSA-1-1", advisory_published="2026-11-23T00:00:00Z", cvss=8.0),
    said("openssl", "CVE-2", fixed="3.0.15-1", advisory="DSA-1-1", advisory_published="2026-11-23T00:00:00Z"),
    said("openssl", "CVE-3", fixed="3.0.16-1", advisory="DSA-9-1", severity="critical"),
]


def test_the_index_tells_severity_and_when(matcher):
    match = match_host(BOTH, matcher(ROWS))
    assert chosen(match=match)[0] == {"openssl": "security update DSA-1-1, high (CVSS 8.0)"}
    severe = [{"name": "high", "match": {"severity": ["high", "critical"]}, "approve_after": "12h"}]
    why = chosen(match=match, rules=severe)[0]["openssl"]
    assert why.endswith("high (CVSS 8.0), published 1 day ago, rule 'high' approves after 12 hours")
    own = {**OPENSSL, "severity": "low", "severity_source": "debian", "advisories": ["DSA-2", "DSA-3", "DSA-4"]}
    found = chosen(level(BOTH["installed"], [own]), match=match)[0]
    assert found == {"openssl": "security update DSA-2, DSA-3 and 1 more, low (debian)"}
    exploited = match_host(BOTH, matcher(ROWS, [Exploited("CVE-2", "2026-11-20")], "kev.db"))
    found = chosen(level(BOTH["installed"], [own]), match=exploited)[0]
    assert found == {"openssl": "security update DSA-2, DSA-3 and 1 more, critical (CISA KEV)"}


def test_a_fix_that_a_newer_version_brings():
    newer = {**OPENSSL, "candidate": "3.0.16-1", "security_version": "3.0.15-1"}
    assert chosen(level([], [newer]))[0] == {"openssl": "security update, fixed in 3.0.15-1, which 3.0.16-1 follows"}


def test_a_distribution_that_marks_no_security_updates(matcher):
    installed = [package("openssl", "3.0.14-r0"), package("vim", "9.0-r0")]
    pending = [
        update("openssl", "3.0.15-r0", installed="3.0.14-r0", security=False),
        update("vim", "9.1-r0", installed="9.0-r0", security=False),
    ]
    alpine = level(installed, pending, os=("alpine", "3.22.1"), metadata={"tells_security": False}, manager="apk")
    into, _out, found = chosen(alpine)
    assert into == {} and "do not mark security updates" in found.notes[0] and "patch_mode: all" in found.notes[0]
    rows = [said("openssl", "CVE-1", fixed="3.0.15-r0", release="alpine:3.22")]
    into, out, found = chosen(alpine, match=match_host(alpine, matcher(rows)))
    assert into == {"openssl": "security update CVE-1"} and list(out) == ["vim"] and not found.notes
    elsewhere = match_host(alpine, matcher([said("openssl", "CVE-1", fixed="3-1")], name="other.db"))
    assert "says nothing of alpine 3.22.1" in chosen(alpine, match=elsewhere)[2].notes[0]


def test_a_list_that_finds_nothing_says_so():
    assert chosen(mode="list", list=["nginx=1", "vim"])[2].notes == ["patch_list: no update is pending for nginx=1"]


NAMES = st.sampled_from(["a", "b", "lib-a"])
SEVERITIES = st.sampled_from(["critical", "low", "unknown"])
UPDATES = st.builds(
    lambda name, security, severity, blocked, day: {
        **update(name, "2", installed="1", security=security, severity=severity, origins=["Debian:12"]),
        "blocked_by": blocked, "blocked_detail": "held.", "published_at": day,
    },
    NAMES, st.booleans(), SEVERITIES, st.sampled_from([None, "held"]), st.sampled_from([None, "2026-11-20T00:00:00Z"]),
)  # fmt: skip
RULES = st.builds(
    lambda package, severity, days: {
        "match": {"package": package, "severity": severity}, **({"approve_after": f"{days}d"} if days else {})
    },
    st.sampled_from([None, "a", "*"]), st.none() | st.lists(SEVERITIES, max_size=2), st.integers(0, 9),
)  # fmt: skip


@given(st.lists(UPDATES, max_size=4), st.lists(RULES, max_size=3), st.sampled_from(["report", "security", "all"]))
def test_each_update_is_either_in_or_out_with_a_reason(pending, rules, mode):
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)]
    found = chosen(level([], pending), mode=mode, rules=named)[2]
    assert len(found.wanted) + len(found.left_out) == len(pending)
    assert all(each["why"] for each in (*found.wanted, *found.left_out))
    open_ones = sum(not each["blocked_by"] and (each["security"] or mode != "security") for each in pending)
    assert len(found.wanted) <= open_ones and (rules or len(found.wanted) == open_ones)


def test_first_seen_is_the_first_run_in_a_row(home, open_run, observe, samples):
    from ansible_collections.proven.upkeep.plugins.plugin_utils import observations, runs

    def seen(day, *candidates, **more):
        run = open_run(f"r{day}", ["patch_level"], ["web1"], started=f"2026-11-{day:02}T01:00:00Z")
        pending = [samples.package("vim", candidate=each) for each in candidates]
        result = {"data": samples.patch_level(pending=pending), **more}
        observations.add(home, observe(run, "web1", "patch_level", result, finished=f"2026-11-{day:02}T02:00:00Z"))

    seen(1, "2")
    seen(2, "1")
    seen(3, "2")
    seen(4, failed=True, msg="away")
    seen(5, "2", "3")
    wanted = [("vim", "amd64", version) for version in ("2", "3", "4")]
    found = first_seen.first_seen(home, runs.newest_first(home), "web1", wanted)
    assert {key[2]: times.iso(when) for key, when in found.items()} == {
        "2": "2026-11-03T02:00:00Z",
        "3": "2026-11-05T02:00:00Z",
    }
    assert first_seen.first_seen(home, runs.newest_first(home), "web2", wanted) == {}
