# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions, control paragraphs, dependencies, and dpkg's own files."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _deb822, _debdeps, _dpkg
from ansible_collections.proven.upkeep.plugins.module_utils.packages._debdeps import Relation, Unit, World
from ansible_collections.proven.upkeep.plugins.module_utils.packages._debversion import version_key
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import KernelPackage
from hypothesis import given, settings
from hypothesis import strategies as st

# In rising order; each line holds equal versions.
ORDER = [
    ["0~~", "0:0~~-0"],
    ["0~"],
    ["0", "0-0", "00"],
    ["1.0~rc1"],
    ["1.0", "1.0-0"],
    ["1.0-1~deb12u1"],
    ["1.0-1", "1.0-01"],
    ["1.0-1+b1"],
    ["1.0-1+b10"],
    ["1.0-1+deb12u1"],
    ["1.0a"],
    ["1.0+dfsg-1"],
    ["1.0.1"],
    ["1.2"],
    ["1.10"],
    ["1:0.1"],
    ["2:0"],
]


def test_version_order():
    for (low, lows), (high, highs) in itertools.product(enumerate(ORDER), repeat=2):
        for a, b in itertools.product(lows, highs):
            assert (version_key(a) < version_key(b)) == (low < high), (a, b)
            assert (version_key(a) == version_key(b)) == (low == high), (a, b)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not on this machine")
def test_version_order_is_dpkgs():
    versions = [version for group in ORDER for version in group][::3]
    for a, b in itertools.combinations(versions, 2):
        less = subprocess.run(["dpkg", "--compare-versions", a, "lt", b], check=False).returncode == 0
        assert (version_key(a) < version_key(b)) == less, (a, b)


@settings(max_examples=50)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_any_versions_can_be_sorted(versions):
    assert len(sorted(versions, key=version_key)) == len(versions)
    assert version_key("1" * 5000) > version_key("1" * 4999)


def test_paragraphs():
    text = "A: 1\nB: two\n three\n# no: comment\n\n\nC:\n x\nbad line\n y\n"
    assert list(_deb822.paragraphs(text)) == [{"a": "1", "b": "two\nthree"}, {"c": "\nx"}]


@pytest.mark.parametrize(
    "fields, source",
    [
        ({"package": "a", "version": "1"}, ("a", "1")),
        ({"package": "a", "version": "1+b1", "source": "s (1)"}, ("s", "1")),
        ({"package": "a", "version": "1", "source": "s"}, ("s", "1")),
    ],
)
def test_source(fields, source):
    assert _deb822.source_of(fields) == source


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a", [[Relation("a")]]),
        ("a (>= 1), b:any | c(<<2)", [[Relation("a", ">=", "1")], [Relation("b"), Relation("c", "<<", "2")]]),
        ("a (= 1:2~x),\n b", [[Relation("a", "=", "1:2~x")], [Relation("b")]]),
        ("", []),
        (", |", []),
    ],
)
def test_relations(text, expected):
    assert _debdeps.parse_relations(text) == expected


@pytest.mark.parametrize(
    "relation, yes, no",
    [
        ("a (>= 2)", ["2", "3"], ["1", None]),
        ("a (<< 2)", ["1"], ["2", None]),
        ("a (<= 2)", ["1", "2"], ["3"]),
        ("a (>> 2)", ["3"], ["2"]),
        ("a (< 2)", ["2"], ["3"]),
        ("a (> 2)", ["2"], ["1"]),
        ("a (= 2)", ["2"], ["1"]),
        ("a", ["1", None], []),
    ],
)
def test_relation_accepts(relation, yes, no):
    (((parsed),),) = _debdeps.parse_relations(relation)
    assert all(map(parsed.accepts, yes))
    assert not any(map(parsed.accepts, no))


def world(*units):
    return World(Unit(name, "amd64", version, dict(fields)) for name, version, fields in units)


@pytest.mark.parametrize(
    "unit, others, phrase",
    [
        (("a", "2", {"depends": "b"}), [("b", "1", {})], None),
        (("a", "2", {"depends": "virtual"}), [("b", "1", {"provides": "virtual"})], None),
        (
            ("a", "2", {"depends": "virtual (>= 2)"}),
            [("b", "1", {"provides": "virtual"})],
            "needs virtual (>= 2), which would not be installed",
        ),
        (
            ("a", "2", {"pre-depends": "x | y"}),
            [],
            "needs x | y, none of which would be installed",
        ),
        (("a", "2", {"conflicts": "b (<< 2)"}), [("b", "1", {})], "conflicts with b 1 (held)"),
        (("a", "2", {"breaks": "b (<< 1)"}), [("b", "1", {})], None),
        (("a", "2", {"provides": "v", "conflicts": "v"}), [("a", "1", {"provides": "v", "conflicts": "v"})], None),
        (("a", "2", {}), [("b", "1", {"depends": "a (= 1)"})], "b 1 (held) needs a (= 1)"),
        (("a", "2", {}), [("b", "1", {"depends": "a (= 1) | c"}), ("c", "1", {})], None),
        (("a", "2", {}), [("b", "1", {"depends": "abc"})], None),
    ],
)
def test_obstacles(unit, others, phrase):
    found = _debdeps.obstacle(Unit(unit[0], "amd64", unit[1], unit[2]), world(*others), {"b": "held"})
    assert found == phrase


@settings(max_examples=100)
@given(st.text(alphabet="ab (>=1)|,:~\n"))
def test_any_relations_have_an_answer(text):
    _debdeps.parse_relations(text)
    assert isinstance(list(_deb822.paragraphs(text)), list)


STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b8
Depends: base-files (>= 2.1.12)
Conffiles:
 /etc/bash.bashrc 89269e1298235f1b12b4c16e4065ad0d
Description: shell
 Status: this is text

Package: reinst
Status: install reinstreq half-installed
Architecture: all

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: linux-image-6.1.0-35-amd64
Status: hold ok installed
Architecture: amd64
Version: 6.1.137-1

Package: linux-image-amd64
Status: install ok installed
Architecture: amd64
Version: 6.1.137-1
"""


def test_status():
    packages = _dpkg.parse_status(STATUS)
    assert [(p.name, p.version, p.state, p.held) for p in packages] == [
        ("bash", "5.2.15-2+b8", "installed", False),
        ("reinst", "", "reinst-required", False),
        ("linux-image-6.1.0-35-amd64", "6.1.137-1", "installed", True),
        ("linux-image-amd64", "6.1.137-1", "installed", False),
    ]
    assert packages[0].fields["depends"] == "base-files (>= 2.1.12)"
    assert _dpkg.kernels(packages) == [KernelPackage("6.1.0-35-amd64", "6.1.137-1")]
    marked = _dpkg.parse_auto(
        "Package: bash\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: x\nAuto-Installed: 0\n"
    )
    (bash, *_rest) = _dpkg.installed_list(packages, marked, "amd64")
    assert (bash.auto, bash.source_name, bash.source_version) == (True, "bash", "5.2.15-2")


@pytest.mark.parametrize(
    "text, part",
    [
        ("", "is empty"),
        ("Package: a\n", "paragraph 1"),
        ("Package: a\nStatus: install ok installed\n", "no version of a"),
        (STATUS + "\nPackage: b\nStatus: install ok\n", "paragraph 6"),
        (STATUS.replace("hold ok installed", "hold ok in"), "paragraph 4"),
    ],
)
def test_a_damaged_status_file_says_where(text, part):
    with pytest.raises(UpkeepError) as caught:
        _dpkg.parse_status(text)
    assert caught.value.code == "package_database_damaged"
    assert part in caught.value.message


def test_a_missing_status_file(tmp_path):
    with pytest.raises(UpkeepError) as caught:
        _dpkg.read_status(str(tmp_path / "none"))
    assert caught.value.code == "package_database_damaged"
    assert _dpkg.read_auto(str(tmp_path / "none")) == set()
    assert _dpkg.is_interrupted(str(tmp_path / "none")) is False


@settings(max_examples=100)
@given(st.text(alphabet="Package: Status: install ok installed\nVersion: 1"))
def test_any_status_has_an_answer_or_one_error(text):
    try:
        _dpkg.parse_status(text)
    except UpkeepError as error:
        assert error.code == "package_database_damaged"


@pytest.mark.parametrize(
    "name, source, expected",
    [
        ("linux-image-6.1.0-35-amd64", "linux-signed-amd64 (6.1.137+1)", "linux"),
        ("linux-image-6.1.0-35-amd64-unsigned", "linux", "linux"),
        ("linux-image-6.8.0-60-generic", "linux-signed", "linux"),
        ("linux-image-6.8.0-1030-aws", "linux-signed-aws", "linux-aws"),
        ("linux-image-6.8.0-60-generic", "linux-signed-hwe-6.8", "linux-hwe-6.8"),
        ("linux-image-6.1.0-own", "", None),
    ],
)
def test_the_source_of_a_kernel_is_the_one_that_advisories_name(name, source, expected):
    more = f"Source: {source}\n" if source else ""
    text = f"Package: {name}\nStatus: install ok installed\nVersion: 6\n{more}"
    (found,) = _dpkg.kernels(_dpkg.parse_status(text))
    assert found.source == expected
