# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The vault's second look at what it has."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index, look, part

DAYS = [f"2026-11-{day}T01:02:03Z" for day in (20, 21, 22, 23)]


@pytest.fixture
def folder(tmp_path):
    for created in DAYS:
        stem = created.replace("-", "").replace(":", "")
        names = f"{stem}.tar.zst", f"{stem}.tar.zst.manifest.jsonl.gz"
        digests = []
        for name in names:
            (tmp_path / name).write_bytes(name.encode())
            digests.append(hashlib.sha256(name.encode()).hexdigest())
        size = len(names[0])
        files = (names[0], size, digests[0], digests[0], names[1], digests[1])
        index.add(tmp_path, index.Vaulted("h", "etc", created, created, *files))
    return tmp_path


def flip(path):
    path.write_bytes(b"!" + path.read_bytes()[1:])


def test_each_in_its_turn_and_the_newest_unless_it_has_just_come(folder):
    assert look.again(folder, DAYS[3], True)["archives"] == [DAYS[0]]
    assert look.again(folder, DAYS[3], False)["archives"] == [DAYS[3], DAYS[1]]
    assert look.again(folder, DAYS[3], True)["archives"] == [DAYS[2]]
    assert look.again(folder, DAYS[3], True)["archives"] == [DAYS[0]]


def test_what_is_too_large_is_said(folder):
    assert look.again(folder, DAYS[3], False, 3) == {"archives": [], "too_large": DAYS[::-1]}


@pytest.mark.parametrize("day", [0, 3])
@pytest.mark.parametrize("what", ["archive", "manifest", "cut"])
def test_what_is_damaged_counts_no_more(folder, day, what):
    harmed = index.entries_in(folder)[3 - day]
    path = folder / (harmed.manifest if what == "manifest" else harmed.archive)
    if what == "cut":
        path.write_bytes(path.read_bytes()[1:])
    else:
        flip(path)
    with pytest.raises(UpkeepError, match=harmed.archive) as raised:
        look.again(folder, DAYS[3], False)
    assert raised.value.code == "vault_damaged"
    assert [one.created for one in index.entries_in(folder)] == [each for each in DAYS[::-1] if each != DAYS[day]]
    assert {path.name for path in folder.glob("*.damaged")} == {name + ".damaged" for name in harmed.names}
    part.sweep(folder, [])
    assert len(list(folder.glob("*.damaged"))) == 3, "a person looks at it first"
    look.again(folder, DAYS[3], False)
