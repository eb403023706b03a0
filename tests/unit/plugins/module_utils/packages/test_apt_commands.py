# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The texts of apt's commands."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_commands import (
    parse_plan,
    parse_policy,
    parse_settings,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_view import Choice, Step, Version
from hypothesis import given, settings
from hypothesis import strategies as st

PLAN = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be upgraded:
  base-files libgcrypt20
Remv libold1 [1.0-1] [libolduser:amd64 ]
Remv moved [1.0]
Inst moved [1.0] (1.1 Debian:12.15/oldstable [all])
Inst base-files [12.4+deb12u11] (12.4+deb12u15 Debian:12.15/oldstable [amd64])
Inst libgcrypt20 [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, Debian-Security:12/oldstable-security [amd64]) []
Inst libpam-modules-bin [1.5.2-6] (1.5.2-6+u2 Debian:12.15/oldstable [amd64]) [libpam-modules:amd64 on libpam:amd64] []
Inst libc6:i386 [2.36-9] (2.36-10 Debian:12.15/oldstable [i386]) []
Inst fresh (1.0 A Vendor (Inc.):stable [all])
Inst flat (2.0 localhost [all])
Conf base-files (12.4+deb12u15 Debian:12.15/oldstable [amd64])
"""

POLICY = """\
bash:
  Installed: 5.2.15-2+b8
  Candidate: 5.2.15-2+b13
  Version table:
     5.2.15-2+b13 500
        500 http://archive.example.org/debian bookworm/main amd64 Packages
        500 http://archive.example.org/debian-security bookworm-security/main amd64 Packages
 *** 5.2.15-2+b8 100
        100 /var/lib/dpkg/status
libc6:i386:
  Installed: 2.36-9
  Candidate: (none)
  Package pin: 2.36-9
  Version table:
     2.36-10 -32768
        500 file:/srv/flat ./ Packages
 *** 2.36-9 1001
        100 /var/lib/dpkg/status
phased:
  Installed: 1.0
  Candidate: 1.1
  Version table:
     1.1 500 (phased 20%)
       1001 http://archive.example.org/ubuntu noble-updates/main amd64 Packages
"""


def test_plan():
    plan = parse_plan(PLAN, "amd64")
    assert plan.install == {
        ("moved", "amd64"): Step("1.0", "1.1", "all"),
        ("base-files", "amd64"): Step("12.4+deb12u11", "12.4+deb12u15", "amd64"),
        ("libgcrypt20", "amd64"): Step("1.10.1-3", "1.10.1-3+deb12u1", "amd64"),
        ("libpam-modules-bin", "amd64"): Step("1.5.2-6", "1.5.2-6+u2", "amd64"),
        ("libc6", "i386"): Step("2.36-9", "2.36-10", "i386"),
        ("fresh", "amd64"): Step(None, "1.0", "all"),
        ("flat", "amd64"): Step(None, "2.0", "all"),
    }
    assert plan.remove == {("libold1", "amd64"): "1.0-1"}
    assert plan.only_upgrades() is False


def test_policy():
    assert parse_policy(POLICY, "amd64") == {
        ("bash", "amd64"): Choice(
            "5.2.15-2+b13",
            (
                Version(
                    "5.2.15-2+b13",
                    500,
                    (
                        "http://archive.example.org/debian bookworm/main amd64 Packages",
                        "http://archive.example.org/debian-security bookworm-security/main amd64 Packages",
                    ),
                ),
                Version("5.2.15-2+b8", 100, ()),
            ),
        ),
        ("libc6", "i386"): Choice(
            None, (Version("2.36-10", -32768, ("file:/srv/flat ./ Packages",)), Version("2.36-9", 1001, ()))
        ),
        ("phased", "amd64"): Choice(
            "1.1", (Version("1.1", 500, ("http://archive.example.org/ubuntu noble-updates/main amd64 Packages",)),)
        ),
    }


@pytest.mark.parametrize(
    "text, expected",
    [
        ("STATUS='/var/lib/dpkg/status'\nPKGCACHE=''\n", {"status": "/var/lib/dpkg/status", "pkgcache": ""}),
        ("A='it'\"'\"'s'\n", {"a": "it's"}),
        ("A='open\nB='b'\n", {"b": "b"}),
        ("", {}),
    ],
)
def test_settings(text, expected):
    assert parse_settings(text) == expected


@settings(max_examples=150)
@given(st.text(alphabet="Inst Remv Candidate: *[]()\n 0123abc=-/:'", max_size=200))
def test_any_text_has_an_answer(text):
    parse_plan(text, "amd64")
    parse_policy(text, "amd64")
    parse_settings(text)
