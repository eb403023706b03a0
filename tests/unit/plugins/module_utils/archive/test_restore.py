# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore test around verification: scope, scratch folder, checks, drift, check mode."""

from __future__ import annotations

import fcntl
import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import restore
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


def test_a_hard_link_without_its_leader_is_not_checked(archive, restore_test, tmp_path):
    document = restore_test(archive, paths=["zz-hard", "empty"], mode="extract", dest=str(tmp_path / "there")).document
    assert document["status"] == "ok"
    assert "zz-hard" in [item["what"] for item in document["not_checked"]]


@pytest.mark.parametrize("paths", [["no-such-path"], ["sma"]])
def test_nothing_verified_is_a_failure(archive, restore_test, paths, valid):
    result = restore_test(archive, paths=paths)
    assert result.failure.code == "nothing_verified" and result.document["status"] == "failed"
    valid("restore", result.document)


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
