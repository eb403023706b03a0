# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The levels of a restore test: what each one does, reaches and leaves open; and the checks on top."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import checks
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def archive(tree, back_up):
    return back_up(tree)["data"]["archive"]


def flip(archive, where):
    data = bytearray(Path(archive).read_bytes())
    data[int(len(data) * where)] ^= 1
    Path(archive).write_bytes(data)


@pytest.mark.parametrize(
    ("level", "mode", "verified", "words"),
    [
        ("hash", "hash", False, "that it restores"),
        ("blocks", "stream", True, "the extraction"),
        ("extract", "extract", True, "drift"),
    ],
)
def test_each_level_says_what_it_reached_and_left_open(
    archive, restore_test, valid, tmp_path, level, mode, verified, words
):
    document = restore_test(archive, level=level, dest=str(tmp_path / "there")).document
    valid("restore", document)
    assert (document["status"], document["level_reached"], document["next_scope"]) == ("ok", level, None)
    assert (document["scope"]["level"], document["scope"]["mode"]) == (level, mode)
    assert bool(document["files_verified"]) is verified and bool(document["scope"]["coverage_pct"]) is verified
    assert words in document["not_proven"][0]
    assert document["restored_on"]["nodename"] == os.uname().nodename


@pytest.mark.parametrize(("mode", "level"), [("stream", "blocks"), ("extract", "extract")])
def test_a_mode_is_a_level(archive, restore_test, tmp_path, mode, level):
    document = restore_test(archive, mode=mode, dest=str(tmp_path / "there")).document
    assert (document["scope"]["level"], document["level_reached"]) == (level, level)


def test_a_flipped_bit_at_level_hash(archive, restore_test, valid):
    flip(archive, 0.5)
    result = restore_test(archive, level="hash")
    valid("restore", result.document)
    assert (result.failure.code, result.document["level_reached"]) == ("archive_damaged", None)
    assert "Level blocks says which entries" in result.failure.message
    os.truncate(archive, 100)
    assert "100 bytes" in restore_test(archive, level="hash").failure.message


def test_a_hash_is_of_the_whole_file_and_needs_its_manifest(archive, restore_test):
    for less in ({"paths": ["small"]}, {"sample": {"part": 1, "of": 2}}):
        with pytest.raises(UpkeepError, match="looks at the whole archive file"):
            restore_test(archive, level="hash", **less)
    os.unlink(f"{archive}.manifest.jsonl.gz")
    assert restore_test(archive, level="hash").failure.code == "manifest_missing"
    assert restore_test(archive, level="blocks").failure is None


def test_an_extraction_that_a_check_fails_on_reached_its_level_all_the_same(archive, restore_test, tmp_path):
    there = str(tmp_path / "there")
    document = restore_test(archive, level="extract", dest=there, checks=[["false"]]).document
    assert (document["status"], document["level_reached"]) == ("failed", "extract")
    # A lower level runs none, and says so.
    document = restore_test(archive, level="blocks", dest=there, checks=[["false"]]).document
    assert document["status"] == "ok" and document["not_checked"][0]["what"] == "check false"
    document = restore_test(archive, check=True, level="extract", dest=there).document
    assert document["level_reached"] == "blocks"


def test_damage_names_what_is_still_there(tree, back_up, restore_test, valid):
    archive = back_up(tree, dest="a.tar", compression="none")["data"]["archive"]
    flip(archive, 1_500_000 / os.path.getsize(archive))
    result = restore_test(archive, level="blocks")
    valid("restore", result.document)
    assert (result.failure.code, result.document["level_reached"]) == ("archive_damaged", None)
    scope = result.document["next_scope"]
    names = [damage["path"] for damage in result.document["damage"]]
    assert names == ["big"]
    assert "sub" in scope["paths"] and not {"big", "."} & set(scope["paths"])
    assert scope["why"].startswith("1 of ") and "entries is damaged, all in block 1: " in scope["why"]
    again = restore_test(archive, level="blocks", paths=scope["paths"])
    assert again.document["entries_verified"] == again.document["entries_expected"] == scope["intact"]
    assert "What was in scope is intact." in again.failure.message


def check(argv, **more):
    return checks.parse([{"argv": argv, **more}])[0]


def test_a_check_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path):
    script = "sleep 60 & echo $! > pid; wait"
    result = checks.run(check(["sh", "-c", script], timeout=0.5), str(tmp_path))
    assert (result["rc"], result["ok"], result["output"]) == (124, False, "stopped after 0.5 s")
    pid = int((tmp_path / "pid").read_text())
    for _attempt in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("what the check started still runs")


def test_a_check_tells_a_bounded_end_and_no_secret(tmp_path, monkeypatch):
    noisy = ["sh", "-c", "yes | head -c 100000; echo at the end >&2; exit 3"]
    result = checks.run(check(noisy), str(tmp_path))
    assert result["rc"] == 3 and len(result["output"]) == 2000 and result["output"].endswith("at the end\n")
    told = checks.run(check(["sh", "-c", "echo $0; exit 1", "hunter2"], no_log=True), str(tmp_path))
    assert "hunter2" not in str(told) and told["argv"] == ["sh", "(hidden: no_log)"]
    assert "output" not in checks.run(check(["true"], no_log=True), str(tmp_path))
    with pytest.raises(UpkeepError, match="no_log of number 1"):
        check(["true"], no_log="maybe")


def test_the_environment_of_a_check(tmp_path, monkeypatch):
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/secret")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.delenv("PATH")
    script = (
        'test "$PGHOST" = db && test -z "$ANSIBLE_VAULT_PASSWORD_FILE$SSH_AUTH_SOCK" && cd "$UPKEEP_RESTORE" && ls /'
    )
    assert checks.run(check(["/bin/sh", "-c", script]), str(tmp_path))["ok"]


@pytest.mark.parametrize(("argv", "words"), [(["/no/such"], "No such file"), (["a\0b"], "null byte")])
def test_a_check_that_cannot_start(tmp_path, argv, words):
    result = checks.run(check(argv), str(tmp_path))
    assert result["rc"] == 127 and words in result["output"]
