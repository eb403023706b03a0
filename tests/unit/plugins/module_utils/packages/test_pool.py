# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The package files that went through patch runs."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import pool


@pytest.fixture(name="top")
def _top(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def put(folder, name, text="x"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o644)
    return str(folder / name)


def test_what_is_added_is_found_without_a_second_copy(top):
    path = put(top / "new", "a_1.deb")
    pool.add(path)
    (found,) = pool.find("a_1.deb")
    assert os.path.samefile(found, path)
    pool.add(path)  # a second time
    assert os.listdir(pool.folder()) == ["a_1.deb"]


def test_what_others_may_write_is_copied(top):
    path = put(top / "new", "a_1.deb")
    os.chmod(path, 0o666)
    pool.add(path)
    (found,) = pool.find("a_1.deb")
    assert not os.path.samefile(found, path)
    assert os.stat(found).st_mode & 0o777 == 0o600


def test_runs_and_other_folders_are_looked_into(top):
    put(top / "state/patch/runs/1/kept", "a_1.deb")
    put(top / "state/patch/runs/2/new", "a_1.deb")
    put(top / "cache", "a_1.deb")
    (top / "links").mkdir()
    (top / "links/a_1.deb").symlink_to("/etc/passwd")
    found = pool.find("a_1.deb", [str(top / "cache"), str(top / "links")])
    assert [path[len(str(top)) :].rsplit("/", 1)[0] for path in found] == [
        "/state/patch/runs/2/new", "/state/patch/runs/1/kept", "/cache",
    ]  # fmt: skip


def test_tidying(top):
    for name in ("a_1.deb", "a_2.deb"):
        pool.add(put(top / "new", name))
    pool.tidy({"a_2.deb"}.__contains__)
    assert os.listdir(pool.folder()) == ["a_2.deb"]


def test_nothing_there(top):
    assert pool.find("a") == []
    pool.tidy(lambda name: False)
