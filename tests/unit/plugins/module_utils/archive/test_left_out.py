# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup leaves out is said, and never empties an archive; what it writes can be read again."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _lines, _store, cache, manifest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "top"
    for name in ("home/alice/doc", "home/bob/doc"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)
    return folder


def fails(code, function, *arguments, **more):
    with pytest.raises(UpkeepError) as caught:
        function(*arguments, **more)
    assert caught.value.code == code
    return caught.value.message


def replaced_while_read(monkeypatch, when, old):
    """`old` is replaced by rename at the moment when the entry `when` is stored."""
    original = _store.Store.add

    def add(self, node):
        if node.path == when:
            (old.parent / ".new").write_text("NEW")
            (old.parent / ".new").rename(old)
        return original(self, node)

    monkeypatch.setattr(_store.Store, "add", add)


def test_a_replaced_name_does_not_take_its_former_links_along(top, back_up, restore_test, monkeypatch, tmp_path):
    (top / "a").write_text("slow")
    (top / "x").write_text("OLD")
    os.link(str(top / "x"), str(top / "y"))
    os.link(str(top / "x"), str(top / "z"))
    replaced_while_read(monkeypatch, b"a", top / "x")
    data = back_up(top)["data"]
    result = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s"), keep=True)
    assert result.document["status"] == "ok"
    assert [(tmp_path / "s" / name).read_text() for name in "xyz"] == ["NEW", "OLD", "OLD"]
    assert os.stat(str(tmp_path / "s" / "y")).st_nlink == 2


def test_a_name_replaced_behind_its_leader_is_its_own_file(top, back_up, restore_test, monkeypatch, tmp_path):
    (top / "x").write_text("OLD")
    os.link(str(top / "x"), str(top / "y"))
    replaced_while_read(monkeypatch, b"y", top / "y")
    data = back_up(top)["data"]
    restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s"), keep=True)
    assert [(tmp_path / "s" / name).read_text() for name in "xy"] == ["OLD", "NEW"]


def test_links_of_special_files_and_symlinks_stay_links(top, back_up, restore_test, tmp_path):
    os.mkfifo(str(top / "fifo"))
    os.symlink("fifo", str(top / "link"))
    for name in ("fifo", "link"):
        os.link(str(top / name), str(top / (name + "2")), follow_symlinks=False)
    data = back_up(top)["data"]
    document = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s"), keep=True).document
    assert document["status"] == "ok", document["failures"]
    assert os.stat(str(tmp_path / "s" / "link2"), follow_symlinks=False).st_nlink == 2


def test_a_live_file_of_the_manifests_name(top, back_up, restore_test):
    (top / ".upkeep").mkdir()
    (top / ".upkeep" / "manifest.jsonl").write_text("from an archive unpacked here\n")
    (top / ".upkeep" / "other").write_text("stays")
    data = back_up(top)["data"]
    assert data["complete"] and data["excluded"] == 1
    assert any(".upkeep/manifest.jsonl was left out" in text for text in data["warnings"])
    assert restore_test(data["archive"]).document["status"] == "ok"
    assert not back_up(top)["changed"]
    assert ".upkeep/manifest.jsonl" in fails("bad_parameter", back_up, top, paths=[".upkeep/manifest.jsonl"])


@pytest.mark.parametrize("break_it", ["reserved", "too long"])
def test_a_manifest_that_cannot_be_read_is_never_published(top, back_up, monkeypatch, break_it):
    good = back_up(top)["data"]
    before = os.stat(good["archive"]).st_ino, os.stat(good["manifest"]).st_ino
    if break_it == "too long":
        monkeypatch.setattr(manifest, "MAX_LINE", 300)
        (top / "home" / ("n" * 250)).write_text("")
    else:
        original = _lines.entry_line
        monkeypatch.setattr(_lines, "entry_line", lambda entry: original(entry).replace(b"alice", b".."))
    assert "nothing was replaced" in fails("io_error", back_up, top, force=True)
    assert (os.stat(good["archive"]).st_ino, os.stat(good["manifest"]).st_ino) == before
    assert sorted(os.listdir(os.path.dirname(good["archive"]))) == ["a.tar.gz", "a.tar.gz.manifest.jsonl.gz"]


@pytest.mark.parametrize("marker", [".upkeep-evidence", ".upkeep-restore"])
@pytest.mark.parametrize("check", [True, False])
def test_a_marker_does_not_empty_an_archive(top, back_up, marker, check):
    good = back_up(top, paths=["home"])["data"]
    (top / "home" / marker).write_text("")
    message = fails("bad_parameter", back_up, top, paths=["home"], check=check)
    assert str(top / "home") in message
    assert os.path.getsize(good["archive"]) == good["bytes"]


def test_the_state_folder_cannot_be_named(top, back_up, state_dir):
    state_dir.mkdir()
    assert str(state_dir) in fails("bad_parameter", back_up, top, root=str(state_dir.parent), paths=["state", "top"])


def test_nothing_to_back_up(top, back_up, monkeypatch):
    good = back_up(top, paths=["home/alice/doc"])["data"]
    original = os.open

    def gone(path, *arguments, **more):
        if path == b"doc":
            raise FileNotFoundError(2, "gone")
        return original(path, *arguments, **more)

    monkeypatch.setattr(os, "open", gone)
    fails("nothing_to_back_up", back_up, top, paths=["home/alice/doc"], force=True)
    assert sorted(os.listdir(os.path.dirname(good["archive"]))) == ["a.tar.gz", "a.tar.gz.manifest.jsonl.gz"]


def test_folders_left_out_for_a_marker_are_named(top, back_up):
    for number in range(25):
        (top / f"kept-{number:02}").mkdir()
        (top / f"kept-{number:02}" / ".upkeep-evidence").write_text("")
    warning = back_up(top)["data"]["warnings"][0]
    assert "25 folders" in warning and "kept-19" in warning and "kept-20" not in warning and "5 more" in warning
    warning = back_up(top)["data"]["warnings"][0]
    assert "25 folders" in warning


def test_a_folder_that_got_a_marker_is_a_difference(top, back_up, monkeypatch):
    monkeypatch.setattr(cache, "_FRESH_NS", 0)
    time.sleep(0.02)
    back_up(top)
    (top / "home" / "alice" / ".upkeep-evidence").write_text("")
    assert back_up(top)["changed"]


@pytest.mark.parametrize("make", ["link", "folder", "foreign"])
def test_only_a_file_of_ours_is_a_marker(top, back_up, make):
    marker = top / "home" / "alice" / ".upkeep-evidence"
    if make == "link":
        marker.symlink_to("doc")
    elif make == "folder":
        marker.mkdir()
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        marker.write_text("")
        os.chown(str(marker), 12345, 12345)
    data = back_up(top)["data"]
    assert data["files"] == (3 if make == "foreign" else 2) and data["excluded"] == 0 and not data["warnings"]
