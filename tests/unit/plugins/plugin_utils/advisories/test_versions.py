# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Version orderings, against the managers' own."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import versions

# Oldest first; each is older than all that follow it.
ORDERED = {
    "dpkg": [
        "1.0~~", "1.0~rc1", "1.0", "1.0-0.1", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-10",
        "1.0a-1", "1.0+dfsg-1", "1.0.1-1", "1.9-1", "1.10-1", "1:0.1-1", "2:4.13.13+dfsg-1~deb11u6",
    ],
    "rpm": [
        "1.0~rc1-1", "1.0-1.el9", "1.0-1.el9_2", "1.0-1.el9_2.1", "1.0-2.el9", "1.0^git1-1", "1.0.a-1", "1.0.1-1",
        "1.9-1", "1.10-1", "4.18.0-553.el8_10", "4.18.0-553.5.1.el8_10", "1:0.9-1", "2:0.1-1",
    ],
    "apk": [
        "0.1.0_alpha", "0.1.0_alpha1", "0.1.0_beta2", "0.1.0_pre2", "0.1.0_rc1", "0.1.0", "0.1.0-r1", "0.1.0~c0ffee",
        "0.1.0_git20240101", "0.1.0_git20240101-r2", "0.1.0_p1", "0.1.0a", "0.1.0.1", "0.1.01", "0.1.1", "0.1.10",
        "1.2.4-r9", "1.2.4-r10", "1.2.4_git20230717-r4", "2.0", "006", "021109-r3",
    ],
    "alpm": [
        "1.0rc1-1", "1.0-1", "1.0-1.1", "1.0-2", "1.0.a-1", "1.0.1-1", "1.9-1", "1.10-1", "6.1.140.arch1-1",
        "6.2.arch1-1", "1:0.1-1",
    ],
}  # fmt: skip
SAME = [
    ("dpkg", "1.0", "0:1.0-0"),
    ("rpm", "0:1.0-1", "1.0-01"),
    ("rpm", "1.0-1", "1_0-1"),
    ("apk", "1.2.3", "1.2.3"),
    ("alpm", "1.0-1", "1.0"),
    ("alpm", "0:1.0-1", "1.0-1"),
]
UNREADABLE = [
    ("dpkg", ""), ("dpkg", "unknown"), ("dpkg", "x:1"), ("dpkg", "1.0 2"), ("dpkg", "1.0\n"), ("dpkg", "1_0"),
    ("rpm", "a:1.0-1"), ("rpm", "1.0-1\n2"), ("rpm", "1.0ü"), ("apk", "foo"), ("apk", "1.0_foo"), ("apk", "1.0-1"),
    ("alpm", "1" * 5000), ("apk", "٣.0"),
]  # fmt: skip


@pytest.mark.parametrize("family", sorted(ORDERED))
def test_order(family):
    for place, older in enumerate(ORDERED[family]):
        assert versions.compare(family, older, older) == 0
        for newer in ORDERED[family][place + 1 :]:
            assert versions.compare(family, older, newer) == -1, (older, newer)
            assert versions.compare(family, newer, older) == 1, (newer, older)


@pytest.mark.parametrize("family", sorted(ORDERED))
def test_keys_sort(family):
    shuffled = random.Random(1).sample(ORDERED[family], len(ORDERED[family]))
    assert sorted(shuffled, key=lambda version: versions.key(family, version)) == ORDERED[family]


@pytest.mark.parametrize("family, a, b", SAME)
def test_same(family, a, b):
    assert versions.compare(family, a, b) == 0


@pytest.mark.parametrize("family, version", UNREADABLE)
def test_unreadable(family, version):
    with pytest.raises(UpkeepError) as error:
        versions.key(family, version)
    assert error.value.code == "version_unreadable"


def test_unknown_family():
    with pytest.raises(UpkeepError, match="dpkg, rpm, apk, alpm") as error:
        versions.key("gentoo", "1")
    assert error.value.code == "version_family_unknown"


@pytest.mark.parametrize("family, module", [("dpkg", "debian"), ("rpm", "rpm"), ("alpm", "arch")])
def test_library_missing(monkeypatch, family, module):
    monkeypatch.setitem(sys.modules, f"univers.{module}", None)
    versions.key.cache_clear()
    with pytest.raises(UpkeepError, match="pip install univers") as error:
        versions.compare(family, "1", "2")
    assert error.value.code == "univers_missing"


def pairs(count: int, make) -> list[tuple[str, str]]:
    return [(make(), make()) for _number in range(count)]


def text(chance: random.Random, alphabet: str, length: int) -> str:
    return "".join(chance.choice(alphabet) for _place in range(chance.randint(1, length)))


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not here")
def test_dpkg_agrees():
    chance = random.Random(2)

    def make() -> str:
        revision = "-" + text(chance, "01a.+~", 3)
        return chance.choice(["", "1:"]) + chance.choice("012") + text(chance, "01a.+~", 5) + revision

    for a, b in pairs(60, make):
        relation = {-1: "lt", 0: "eq", 1: "gt"}[versions.compare("dpkg", a, b)]
        assert subprocess.run(["dpkg", "--compare-versions", a, relation, b], check=False).returncode == 0, (a, b)


@pytest.mark.skipif(not shutil.which("rpm"), reason="rpm is not here")
def test_rpm_agrees(tmp_path):
    chance = random.Random(3)
    made = pairs(2000, lambda: chance.choice("012a") + text(chance, "01aB.+~^_", 6))
    script = tmp_path / "compare.lua"
    script.write_text("\n".join(f'print(rpm.vercmp("{a}", "{b}") .. " ")' for a, b in made))
    said = subprocess.run(
        ["rpm", "--eval", f'%{{lua:dofile("{script}")}}'], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [versions.compare("rpm", a, b) for a, b in made] == list(map(int, said))


@pytest.mark.skipif(not shutil.which("vercmp"), reason="pacman's vercmp is not here")
def test_pacman_agrees():
    chance = random.Random(4)

    def make() -> str:
        numbers = ".".join(chance.choice(["0", "1", "02", "10", "rc1", "a"]) for _place in range(chance.randint(1, 4)))
        return chance.choice(["", "1:"]) + numbers + chance.choice(["", "rc1", "+r2"]) + chance.choice(["-1", "-2.1"])

    for a, b in pairs(60, make):
        said = subprocess.run(["vercmp", a, b], capture_output=True, text=True, check=True).stdout
        assert versions.compare("alpm", a, b) == int(said), (a, b)
