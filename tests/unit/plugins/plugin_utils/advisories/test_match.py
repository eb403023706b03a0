# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a package, and which of its versions that is true of."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.match import INVESTIGATED, Key, Matcher
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited, Score, Statement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.advisories import DEBIAN, fill, said


def judged(matcher, version, package="openssl", module=None, kind="source", release=DEBIAN):
    key = Key(release, kind, package, version, module)
    return [(each.id, each.state, each.fixed) for each in matcher.found([key])[key]]


FIXED = said("openssl", "CVE-1", fixed="3.0.17-1~deb12u1")
OPEN = said("openssl", "CVE-1", "affected")
NOT = said("openssl", "CVE-1", "not_affected")
FIXABLE = [("CVE-1", "fixable", "3.0.17-1~deb12u1")]


@pytest.mark.parametrize(
    ("statements", "version", "expected"),
    [
        ([FIXED], "3.0.16-1", FIXABLE),
        ([FIXED], "3.0.17-1~deb12u1", []),
        ([FIXED], "3.0.17-1~deb12u1+b1", []),  # a rebuild of the fixed one
        ([FIXED], "3.0.17-1~deb12u1~bpo1", FIXABLE),
        ([FIXED], "1:1.0", []),  # an epoch outweighs everything
        ([OPEN], "9", [("CVE-1", "unfixed", None)]),
        ([NOT], "1", []),
        ([said("openssl", "CVE-1", "under_investigation")], "1", [("CVE-1", "deferred", None)]),
        ([said("openssl", "CVE-1", "affected", deferred="no-dsa")], "1", [("CVE-1", "deferred", None)]),
        # Several sources of one vulnerability: a fix outweighs `affected`, which outweighs `not_affected`.
        ([FIXED, OPEN, NOT], "3.0.16-1", FIXABLE),
        ([FIXED, OPEN], "3.0.18-1", []),
        ([NOT, OPEN], "1", [("CVE-1", "unfixed", None)]),
        ([FIXED, said("openssl", "CVE-1", fixed="3.0.18-1")], "3.0.17-2", []),  # the first that fixes it
        ([OPEN, said("openssl", "CVE-1", "affected", deferred="no-dsa")], "1", [("CVE-1", "unfixed", None)]),
        # A fix of which nobody can say from which version on is none.
        ([Statement(DEBIAN, "openssl", "source", "CVE-1", "fixed")], "1", [("CVE-1", "unfixed", None)]),
        ([said("openssl", "CVE-1", fixed="not a version")], "1", [("CVE-1", "unfixed", None)]),
        # Of another package, release or kind.
        ([said("perl", "CVE-1", fixed="9")], "1", []),
        ([said("openssl", "CVE-1", fixed="9", release="debian:13")], "1", []),
        ([said("openssl", "CVE-1", fixed="9", kind="binary")], "1", []),
    ],
)
def test_a_version_against_what_is_said(matcher, statements, version, expected):
    assert judged(matcher(statements), version) == expected


@pytest.mark.parametrize(
    ("installed", "expected"), [(None, ["CVE-plain"]), ("nodejs:18", ["CVE-18"]), ("nodejs:20", [])]
)
def test_a_module_stream_is_meant_alone(matcher, installed, expected):
    release = "rhel:9"
    rows = [
        said("nodejs", "CVE-plain", "affected", release=release),
        said("nodejs", "CVE-18", "affected", release=release, module="nodejs:18"),
    ]
    found = judged(matcher(rows), "18.1-1.el9", "nodejs", installed, release=release)
    assert [each[0] for each in found] == expected


def test_what_is_told_of_a_vulnerability(matcher):
    rows = [
        said("openssl", "CVE-1", fixed="2-1", severity="low", cvss=5.0, published="2026-01-02T00:00:00Z"),
        said("openssl", "CVE-1", "affected", severity="high", cvss=9.8, published="2026-01-01T00:00:00Z"),
        said("openssl", "CVE-2", "affected", deferred="unimportant"),
        said("openssl", "CVE-3", "under_investigation", severity="low"),
        Score("CVE-1", 0.5, 0.9),
    ]
    found = matcher(rows, [Exploited("CVE-2", "2026-02-01T00:00:00Z")]).found([Key(DEBIAN, "source", "openssl", "1-1")])
    one, two, three = next(iter(found.values()))
    assert (one.severity, one.severity_source, one.cvss, one.published) == (
        "high",
        "debian",
        9.8,
        "2026-01-01T00:00:00Z",
    )
    assert one.epss == 0.5 and one.kev is None
    assert (two.severity, two.kev, two.deferred) == ("critical", "2026-02-01T00:00:00Z", "unimportant")
    assert three.deferred == INVESTIGATED


def test_a_date_that_another_release_s_statement_has(matcher):
    rows = [said("openssl", "CVE-1", "affected"), said("x", "CVE-1", "affected", published="2026-01-01T00:00:00Z")]
    found = matcher(rows).found([Key(DEBIAN, "source", "openssl", "1-1")])
    assert [each.published for each in next(iter(found.values()))] == ["2026-01-01T00:00:00Z"]


def test_who_has_no_subscription_is_told_of_the_fix_that_needs_none(matcher):
    rows = [
        said("openssl", "CVE-1", fixed="2-1", subscription="esm-apps", advisory="USN-0"),
        said("openssl", "CVE-1", fixed="2-1"),
        said("openssl", "CVE-2", fixed="2-1", subscription="esm-apps"),
    ]
    found = matcher(rows).found([Key(DEBIAN, "source", "openssl", "1-1")])
    assert [each.subscription for each in next(iter(found.values()))] == [None, "esm-apps"]


@pytest.mark.parametrize(
    ("release", "fix"), [("almalinux:9", "1-2"), ("debian:12", "1-1")], ids=["a later erratum", "the same fix, twice"]
)
def test_two_fixes_of_one_vulnerability(matcher, release, fix):
    rows = [said("bash", "CVE-1", fixed=each, release=release) for each in ("1-1", "1-2")]
    paid = said("bash", "CVE-1", fixed="1-3", release=release, subscription="ltss")
    assert judged(matcher([*rows, paid]), "0-1", "bash", release=release) == [("CVE-1", "fixable", fix)]


def test_a_version_that_cannot_be_read_is_not_judged(matcher):
    key, other = Key(DEBIAN, "source", "openssl", "no version"), Key(DEBIAN, "source", "perl", "no version")
    # Nothing is said of perl, so its version does not matter.
    assert matcher([FIXED]).found([key, other]) == {other: ()}


def test_each_distinct_version_is_judged_once(matcher):
    made = matcher([FIXED])
    keys = [Key(DEBIAN, "source", "openssl", version) for version in ("1", "2", "1")]
    for _again in range(3):
        made.found(keys)
    assert made.judged == 2


VERSIONS = st.sampled_from(["1-1", "1.9-1", "1.10-1", "1.10-1~deb12u1", "2-1", "2-1+b2", "1:0.1-1", "2-1ubuntu0.1"])
STATEMENTS = st.builds(
    Statement,
    release=st.just(DEBIAN),
    package=st.sampled_from(["openssl", "perl"]),
    kind=st.just("source"),
    vulnerability=st.sampled_from(["CVE-1", "CVE-2"]),
    status=st.sampled_from(["fixed", "affected", "not_affected", "under_investigation"]),
    fixed=VERSIONS,
    deferred=st.sampled_from([None, "no-dsa"]),
)


@pytest.fixture(scope="module")
def anew(tmp_path_factory):
    """anew(statements): a matcher over an index that holds these and nothing else."""
    path = tmp_path_factory.mktemp("property") / "index.db"

    def made(rows):
        fill(path, rows)
        with Index.open(path) as index:
            return Matcher(index).found([Key(DEBIAN, "source", "openssl", version) for version in TRIED])

    return made


TRIED = ["1-1", "1.10-1", "2-1", "1:0.1-1"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(STATEMENTS, max_size=6), unrelated=st.lists(STATEMENTS, max_size=3), order=st.randoms())
def test_properties(anew, rows, unrelated, order):
    found = anew(rows)
    for key, vulnerabilities in found.items():
        for each in vulnerabilities:
            # Never fixable from the fixing version on.
            assert each.state != "fixable" or _older(key.version, each.fixed)
    elsewhere = [
        Statement(**{**vars(row), **change})
        for row in unrelated
        for change in ({"package": "bash"}, {"release": "debian:13"}, {"kind": "binary"}, {"module": "x:1"})
    ]
    mixed = rows + elsewhere
    order.shuffle(mixed)
    assert anew(mixed) == found


def _older(version, fixed):
    from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import versions

    return versions.compare("dpkg", version, fixed) < 0
