# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import sla
from ansible_collections.proven.upkeep.plugins.plugin_utils.sla import Remembered
from hypothesis import given
from hypothesis import strategies as st

DAY = timedelta(days=1)
NOW = times.parse("2026-11-23T09:00:00Z")


def finding(severity="high", **more):
    return {"fingerprint": "f", "source": "advisory", "severity": severity, **more}


def at(days):
    return times.iso(NOW + timedelta(days=days))


@pytest.mark.parametrize(
    ("severity", "known", "due", "state"),
    [
        ("critical", None, at(1), "ok"),
        ("high", None, at(3), "ok"),
        ("medium", None, at(30), "ok"),
        ("low", None, at(90), "ok"),
        ("unknown", None, at(30), "ok"),  # what nobody rated is late some day, too
        ("high", Remembered(at(-1), at(2)), at(2), "ok"),
        ("high", Remembered(at(-2.5), at(0.5)), at(0.5), "due_soon"),
        ("high", Remembered(at(-3), at(0)), at(0), "breached"),
        ("critical", Remembered(at(-10), at(20)), at(1), "ok"),  # raised: counted from now
        ("critical", Remembered(at(-29.5), at(0.5)), at(0.5), "ok"),  # raised, and due earlier anyway
        ("low", Remembered(at(-1), at(2)), at(2), "due_soon"),  # a lower severity pushes nothing back
        ("high", Remembered(at(-60)), at(3), "ok"),  # rated only now: counted from now
        ("high", Remembered("?", "?"), at(3), "ok"),
        ("high", Remembered(at(4)), at(3), "ok"),  # seen first in the future: by a clock that was wrong
    ],
)
def test_due(severity, known, due, state):
    made = sla.started(finding(severity), known, NOW)
    assert (made["due"], made["sla_state"]) == (due, state)
    assert made["first_seen"] <= times.iso(NOW)


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ({"source": "patch", "check_id": "pending_security"}, at(30)),
        ({"source": "patch", "check_id": "pending_updates"}, None),
        ({"source": "patch", "check_id": "x", "informational": True, "severity": "high"}, None),
    ],
)
def test_only_what_matters_to_security_or_was_rated_is_due(more, due):
    made = sla.started({**finding("unknown"), **more}, None, NOW)
    assert made["due"] == due and (made["sla_state"] is None) == (due is None) and made["first_seen"] == at(0)


SEVERITIES = st.sampled_from(["critical", "high", "medium", "low", "unknown"])


@given(st.lists(st.tuples(SEVERITIES, st.integers(0, 40)), min_size=1, max_size=8))
def test_nothing_pushes_due_back(steps):
    known, when = None, NOW
    for severity, days in steps:
        when += days * DAY
        made = sla.started(finding(severity), known, when)
        if known is not None:
            assert made["due"] <= known.due and made["first_seen"] == known.first_seen
        assert made["due"] <= times.iso(when + sla.term(finding(severity)))
        known = Remembered(made["first_seen"], made["due"])


def fix(check_id, *cves, package="openssl"):
    evidence = [{"cves": [{"id": cve} for cve in cves]}]
    return finding(fingerprint=check_id, check_id=check_id, subject=package, kind="fixable", evidence=evidence)


@pytest.mark.parametrize(
    ("later", "goes_on"),
    [
        (fix("DSA-1", "CVE-1", "CVE-2"), True),  # the version of yesterday has got an advisory
        (fix("DSA-1", "CVE-3"), False),
        (fix("DSA-1", "CVE-1", package="bash"), False),
        ({**fix("CVE-1", "CVE-1"), "kind": "unfixed"}, False),
    ],
)
def test_the_clock_of_a_fix_goes_on_under_another_name(later, goes_on):
    (before,) = sla.all_started([fix("fixed:2", "CVE-1")], {}, NOW)
    memory = {"fixed:2": Remembered(before["first_seen"], before["due"], before["subject"], sla.fixes(before))}
    (made,) = sla.all_started([later], memory, NOW + DAY)
    assert (made["due"] == before["due"]) is goes_on
