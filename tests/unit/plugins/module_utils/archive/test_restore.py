# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore test around verification: scope, scratch folder, checks, drift, check mode."""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import os
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import cache, restore, verify
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def archive(tree, back_up):
    return back_up(tree)["data"]["archive"]


def test_a_clean_scratch_folder_afterwards(archive, restore_test, tmp_path):
    there = tmp_path / "there"
    assert not restore_test(archive, mode="extract", dest=str(there)).changed
    assert not there.exists()
    there.mkdir()
    restore_test(archive, mode="extract", dest=str(there))
    assert os.listdir(str(there)) == []
    assert restore_test(archive, mode="extract", dest=str(there), keep=True).changed
    (there / "small").write_text("left behind by somebody")
    # Ours: emptied, and used again. The same archive restored again is no change.
    assert not restore_test(archive, mode="extract", dest=str(there), keep=True).changed
    assert (there / "small").read_text() != "left behind by somebody"
    restore_test(archive, mode="extract", dest=str(there))
    assert os.listdir(str(there)) == []


def test_two_tests_do_not_share_a_scratch_folder(archive, restore_test, tmp_path):
    there = tmp_path / "there"
    restore_test(archive, mode="extract", dest=str(there), keep=True)
    fd = os.open(str(there), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        result = restore_test(archive, mode="extract", dest=str(there))
        assert (result.document["status"], result.failure.code) == ("failed", "dest_locked")
        assert (there / "small").exists()
    finally:
        os.close(fd)
    assert restore_test(archive, mode="extract", dest=str(there)).failure is None


@pytest.mark.parametrize("what", ["a file", "full", "a link", "holds the archive", "missing", "root"])
def test_dest_that_could_destroy_something(archive, tmp_path, what):
    there, code = tmp_path / "there", "dest_not_empty"
    if what == "a file":
        there.write_text("x")
        code = "dest_not_a_folder"
    elif what == "full":
        there.mkdir()
        (there / "precious").write_text("x")
    elif what == "a link":
        there.symlink_to(tmp_path)
        code = "dest_not_a_folder"
    elif what == "holds the archive":
        there, code = tmp_path, "bad_parameter"
    elif what == "root":
        there, code = "/", "bad_parameter"
    request = restore.Request(archive, mode="extract", dest=None if what == "missing" else str(there))
    with pytest.raises(UpkeepError) as caught:
        restore.run(request)
    assert caught.value.code == ("bad_parameter" if what == "missing" else code)
    if what == "full":
        assert (there / "precious").read_text() == "x"


def test_checks_run_in_the_scratch_folder(archive, restore_test, tmp_path, valid):
    checks = [["test", "-f", "small"], {"name": "size", "argv": ["sh", "-c", 'test "$UPKEEP_RESTORE" = "$(pwd -P)"']}]
    result = restore_test(archive, mode="extract", dest=str(tmp_path / "there"), checks=checks)
    assert [check["ok"] for check in result.document["checks"]] == [True, True]
    valid("restore", result.document)


@pytest.mark.parametrize(
    "check, rc",
    [(["false"], 1), (["no-such-command-here"], 127), ({"argv": ["sleep", "9"], "timeout": 0.05}, 124)],
)
def test_a_failed_check_fails_the_test(archive, restore_test, tmp_path, check, rc, valid):
    result = restore_test(archive, mode="extract", dest=str(tmp_path / "there"), checks=[check])
    assert result.failure.code == "check_failed" and result.document["status"] == "failed"
    assert result.document["checks"][0]["rc"] == rc
    valid("restore", result.document)


@pytest.mark.parametrize("parameters", [
    {"checks": [["true"]]},
    {"mode": "extract", "checks": ["true"]},
    {"mode": "extract", "checks": [{"argv": []}]},
    {"mode": "extract", "checks": [{"argv": ["true"], "timeout": -1}]},
    {"sample": {"part": 0, "of": 3}},
    {"sample": {"part": 4, "of": 3}},
    {"sample": {"part": 1}},
    {"paths": ["../x"]},
])  # fmt: skip
def test_bad_parameters(archive, tmp_path, parameters):
    if parameters.get("mode"):
        parameters = dict(parameters, dest=str(tmp_path / "there"))
    with pytest.raises(UpkeepError) as caught:
        restore.run(restore.Request(archive, **parameters))
    assert caught.value.code == "bad_parameter"


@pytest.mark.parametrize("mode", ["stream", "extract"])
def test_samples_cover_everything_once(archive, restore_test, tmp_path, mode, valid):
    more = {"mode": mode, "dest": str(tmp_path / "there")} if mode == "extract" else {}
    total = restore_test(archive).document["entries_expected"]
    seen, covered = 0, 0.0
    for part in (1, 2, 3):
        document = restore_test(archive, sample={"part": part, "of": 3}, **more).document
        valid("restore", document)
        assert document["status"] == "ok", document["failures"]
        seen += document["entries_verified"]
        covered += document["scope"]["coverage_pct"]
    assert seen == total and covered == pytest.approx(100, abs=0.05)


@pytest.mark.parametrize("path, count", [("sub", 4), ("/sub/deep/", 2), ("small", 1), (".", None)])
def test_paths(archive, restore_test, tmp_path, path, count):
    document = restore_test(archive, paths=[path], mode="extract", dest=str(tmp_path / "there")).document
    assert document["status"] == "ok", document["failures"]
    assert count is None or document["entries_expected"] == count


@pytest.mark.parametrize("parameters", [{}, {"mode": "extract"}, {"paths": ["big"]}, {"sample": {"part": 1, "of": 2}}])
def test_a_backup_that_replaces_the_archive_meanwhile_is_no_damage(
    tree, archive, back_up, restore_test, tmp_path, parameters, monkeypatch
):
    opened = restore.open_archive

    def and_replaced(*arguments):
        known = opened(*arguments)
        (tree / "another").write_text("than the manifest says that was opened")
        assert back_up(tree)["changed"]
        return known

    monkeypatch.setattr(restore, "open_archive", and_replaced)
    if "mode" in parameters:
        parameters = dict(parameters, dest=str(tmp_path / "there"))
    document = restore_test(archive, **parameters).document
    assert document["status"] == "ok", document["failures"]


def test_a_backup_between_opening_the_archive_and_its_manifest(tree, archive, back_up, restore_test, monkeypatch):
    opened, times = verify._open, []

    def and_replaced(path):
        archive_and_codec = opened(path)
        if not times:
            (tree / "another").write_text("than the archive holds that was opened")
            assert back_up(tree)["changed"]
        times.append(path)
        return archive_and_codec

    monkeypatch.setattr(verify, "_open", and_replaced)
    document = restore_test(archive).document
    assert document["status"] == "ok", document["failures"]
    assert len(times) == 2


@pytest.mark.parametrize("path", ["small", "sub", "nothing of that name"])
def test_coverage_is_of_the_whole_archive_though_only_a_part_of_its_manifest_is_read(archive, restore_test, path):
    total = restore_test(archive).document["entries_expected"]
    document = restore_test(archive, paths=[path]).document
    covered = document["scope"]["coverage_pct"]
    assert covered == pytest.approx(100 * document["entries_expected"] / total, abs=0.01)


@pytest.mark.parametrize("sample", [None, {"part": 1, "of": 2}, {"part": 2, "of": 2}])
def test_hard_links_without_their_leader_bring_its_content(tree, back_up, restore_test, tmp_path, sample):
    for name in ("pipe", "arrow"):
        os.mkfifo(str(tree / name)) if name == "pipe" else os.symlink("small", str(tree / name))
        os.link(str(tree / name), str(tree / "sub" / name), follow_symlinks=False)
    os.link(str(tree / "small"), str(tree / "sub" / "deep" / "hard"))
    archive = back_up(tree)["data"]["archive"]
    there = tmp_path / "there"
    result = restore_test(archive, paths=["sub"], mode="extract", dest=str(there), keep=True, sample=sample)
    document = result.document
    assert document["status"] == "ok" and not document["not_checked"][1:], document
    assert document["entries_verified"] == document["entries_expected"]
    if sample is None:
        assert document["bytes_verified"] == len(b"deep" + b"hello\n")
        hard, deep = there / "sub" / "hard", there / "sub" / "deep" / "hard"
        assert hard.read_bytes() == b"hello\n" and os.path.samefile(str(hard), str(deep))
        assert os.readlink(str(there / "sub" / "arrow")) == "small" and (there / "sub" / "pipe").is_fifo()
        assert not (there / "small").exists()


def test_a_damaged_leader_damages_its_links(tree, restore_test, tmp_path, back_up):
    archive = back_up(tree, "a.tar", paths=["small", "sub"])["data"]["archive"]
    with open(archive, "r+b") as stream:  # noqa: PTH123
        place = stream.read().index(b"hello\n")
        stream.seek(place)
        stream.write(b"HELLO")
    for paths, left in ((["sub/hard"], 0), ([], None)):
        document = restore_test(archive, paths=paths).document
        assert document["status"] == "failed" and {"small", "sub/hard"} <= set(document["corrupt_files"])
        assert left is None or document["files_verified"] == left


@pytest.mark.parametrize("mode", ["stream", "extract"])
@pytest.mark.parametrize("paths", [["no-such-path"], ["sma"], ["small", "var/lib/db.dump", "/sub/not"]])
def test_paths_that_the_archive_does_not_hold(archive, restore_test, tmp_path, paths, mode, valid):
    more = {"dest": str(tmp_path / "there")} if mode == "extract" else {}
    result = restore_test(archive, paths=paths, mode=mode, **more)
    assert result.failure.code == "path_missing" and result.document["status"] == "failed"
    assert result.document["missing_files"] == [path.strip("/") for path in paths if path != "small"]
    valid("restore", result.document)


def stat_fails(monkeypatch, failing):
    """A dead mount: the name is listed, and cannot be looked at."""
    original = os.stat

    def stat(path, *arguments, **more):
        if path == failing:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return original(path, *arguments, **more)

    monkeypatch.setattr(os, "stat", stat)


@pytest.mark.parametrize("beside", [True, False])
def test_an_incomplete_archive_is_never_proven_whole(tree, back_up, restore_test, monkeypatch, beside, valid, tmp_path):
    with monkeypatch.context() as patch:
        stat_fails(patch, b"deep")
        data = back_up(tree, on_unreadable="mark")["data"]
    assert data["unreadable"] == ["sub/deep"] and not data["complete"]
    if not beside:
        os.unlink(data["manifest"])
    document = restore_test(data["archive"]).document
    assert document["status"] == "incomplete" and document["not_checked"]
    valid("restore", document)
    if beside:
        with gzip.open(data["manifest"], "rt") as lines:
            for line in lines:
                valid("manifest", json.loads(line))
        assert "sub/deep" in document["not_checked"][0]["why"]
    for _run in range(2):  # one that writes, one that finds nothing new
        assert back_up(tree)["data"]["complete"]
        assert sorted(os.listdir(str(tmp_path / "out"))) == ["a.tar.gz", "a.tar.gz.manifest.jsonl.gz"]
        (tmp_path / "out" / "a.incomplete.tar.gz").write_text("again")


def test_a_folder_that_cannot_be_looked_at_is_no_confirmation(tree, back_up, monkeypatch):
    monkeypatch.setattr(cache, "_FRESH_NS", 0)
    (tree / "zzz").mkdir()  # so that the cache has a record behind those that are passed over
    time.sleep(0.02)
    back_up(tree)
    stat_fails(monkeypatch, b"sub")
    with pytest.raises(UpkeepError) as caught:
        back_up(tree)
    assert caught.value.code == "unreadable"


def test_drift(tree, archive, restore_test, valid):
    assert restore_test(archive, compare="live").document["status"] == "ok"
    (tree / "small").write_text("changed")
    (tree / "empty").unlink()
    (tree / "extra").write_text("new")
    (tree / "big").chmod(0o600)
    result = restore_test(archive, compare="live")
    document = result.document
    valid("restore", document)
    assert result.failure.code == "drift_found" and document["scope"]["compare"] == "live"
    assert document["missing_files"] == ["empty"] and document["extra_files"] == ["extra"]
    assert document["corrupt_files"] == ["small"]
    assert {"path": "big", "field": "mode", "expected": "0644", "found": "0600"} in document["metadata_mismatches"]
    assert document["entries_verified"] == document["entries_expected"]  # the archive itself is proven all the same


def test_what_was_restored_is_read_again(archive, restore_test, tmp_path, monkeypatch, valid):
    """Somebody else writes into the scratch folder between extraction and comparison."""
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import extract

    original, there = extract.Extractor.finish, tmp_path / "there"

    def finish(self, entries, without):
        original(self, entries, without)
        (there / "big").write_bytes(b"other")
        (there / "empty").unlink()
        (there / "extra").write_text("x")
        (there / "setuid").chmod(0o755)

    monkeypatch.setattr(extract.Extractor, "finish", finish)
    result = restore_test(archive, mode="extract", dest=str(there))
    document = result.document
    valid("restore", document)
    assert result.failure.code == "restore_differs"
    assert document["missing_files"] == ["empty"] and document["extra_files"] == ["extra"]
    assert document["corrupt_files"] == ["big"]
    fields = {(item["path"], item["field"]) for item in document["metadata_mismatches"]}
    assert {("setuid", "mode"), ("big", "size")} <= fields


def test_check_mode_reads_only(archive, restore_test, tmp_path):
    result = restore_test(archive, check=True, mode="extract", dest=str(tmp_path / "there"), checks=[["false"]])
    assert result.document["status"] == "ok" and not (tmp_path / "there").exists()
    assert "check mode" in result.document["not_checked"][0]["why"]


def test_a_missing_manifest_that_was_asked_for(archive, restore_test):
    assert restore_test(archive, manifest="/no/such/file").failure.code == "manifest_missing"


def test_a_full_disk_while_extracting(tree, archive, restore_test, small_disk):
    result = restore_test(archive, mode="extract", dest=str(small_disk / "there"))
    assert result.failure.code == "no_space" and not (small_disk / "there").exists()
