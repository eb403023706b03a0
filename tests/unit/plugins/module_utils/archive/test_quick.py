# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The quick proof, and the work that several processes share: never a pass where reading in one row finds damage."""

from __future__ import annotations

import os
import random
import select
import signal
import threading
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _processes, embedded, quick, trees, verify
from ansible_collections.proven.upkeep.plugins.module_utils.archive._processes import Died, in_processes
from ansible_collections.proven.upkeep.plugins.module_utils.archive._wanted import Wanted
from ansible_collections.proven.upkeep.plugins.module_utils.archive.scope import under


@pytest.fixture(autouse=True)
def small_work(monkeypatch):
    """Shares of a few entries, so that a small tree has several of them."""
    monkeypatch.setattr(_processes, "_EACH", 3)
    monkeypatch.setattr(_processes.threading, "active_count", lambda: 1)


@pytest.fixture
def chunky(monkeypatch):
    """A manifest that is read in many small chunks."""
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import manifest

    whole = manifest._pieces

    def pieces(*source):
        for piece in whole(*source):
            yield from (piece[start : start + 700] for start in range(0, len(piece), 700))

    monkeypatch.setattr(manifest, "_pieces", pieces)


def doubts(archive, threads=3):
    findings = verify.Findings()
    opened = verify.open_archive(str(archive), None, findings)
    try:
        return quick.prove(opened.fd, opened.codec, opened.manifest, threads, findings), findings
    finally:
        opened.close()


def without_times(document):
    return {key: value for key, value in document.items() if key not in ("started", "finished", "duration_ms", "dest")}


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
@pytest.mark.parametrize("mode", ["stream", "extract"])
def test_the_same_document_by_one_and_by_several(
    tree, back_up, restore_test, tmp_path, chunky, dest, mode, monkeypatch
):
    (tree / "zz-hard").unlink()  # several names keep a comparison in one process
    (tree / "sub" / "hard").unlink()
    archive = back_up(tree, dest=dest)["data"]["archive"]
    places = {"dest": str(tmp_path / "there"), "mode": mode} if mode == "extract" else {}
    several = restore_test(archive, threads=3, **places)
    assert several.failure is None, several.failure
    forks = []
    monkeypatch.setattr(_processes.os, "fork", lambda: forks.append(1))
    one = restore_test(archive, threads=1, **places)
    assert not forks
    assert without_times(several.document) == without_times(one.document)


def test_several_processes_are_used(tree, back_up, chunky):
    archive = back_up(tree)["data"]["archive"]
    opened = verify.open_archive(archive, None, verify.Findings())
    try:
        ranges = quick.ranges_of(opened.manifest, 3)
    finally:
        opened.close()
    assert len(ranges) == 3
    assert ranges[0].first == 0 and ranges[0].last == ranges[1].first and ranges[1].last == ranges[2].first
    assert doubts(archive)[0] == ""


@pytest.mark.long
@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
@pytest.mark.parametrize("same_hash", [False, True])
def test_no_flipped_byte_passes(tree, back_up, chunky, dest, same_hash, monkeypatch):
    """Not by the file's hash, and not by the entries themselves where that hash were to fit."""
    archive = Path(back_up(tree, dest=dest)["data"]["archive"])
    whole, dice = archive.read_bytes(), random.Random(4)
    opened = verify.open_archive(str(archive), None, verify.Findings())
    index, true_hash = opened.manifest.index, opened.manifest.closing["archive_sha256"]
    opened.close()
    if same_hash:
        monkeypatch.setattr(quick, "sha256_from_start", lambda _fd: true_hash)
    in_blocks = range(index[0].at, index.stored_end)
    for _attempt in range(16):
        place = dice.choice(in_blocks if same_hash else range(len(whole)))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << dice.randrange(8)
        archive.write_bytes(bytes(damaged))
        if not same_hash and dest == "a.tar" and damaged[257:262] != b"ustar":
            continue
        doubt, findings = doubts(archive)
        assert doubt, place
        assert findings.verified == findings.total == 0


def test_a_process_that_dies_is_no_pass(tree, back_up, restore_test, chunky, monkeypatch):
    archive = back_up(tree)["data"]["archive"]
    look, parent = quick._look, os.getpid()

    def dying(*arguments):
        if os.getpid() != parent:
            os.kill(os.getpid(), 9)
        return look(*arguments)

    monkeypatch.setattr(quick, "_look", dying)
    assert doubts(archive)[0] == quick.CANNOT_TELL
    assert restore_test(archive, threads=3).document["status"] == "ok"  # by reading it in one row


def test_damage_that_only_the_first_reading_met_is_no_pass(tree, back_up, restore_test, monkeypatch):
    archive = back_up(tree)["data"]["archive"]
    monkeypatch.setattr(quick, "prove", lambda *_arguments: "the content of a differs")
    result = restore_test(archive)
    assert result.failure.code == "archive_damaged"
    assert "does not read the same twice: a first reading found that the content of a differs" in result.failure.message


def test_ranges_with_a_gap_between_them_are_no_proof(tree, back_up, chunky, monkeypatch):
    archive = back_up(tree)["data"]["archive"]
    ranges_of = quick.ranges_of
    monkeypatch.setattr(quick, "ranges_of", lambda *args: [ranges_of(*args)[0], ranges_of(*args)[2]])
    assert doubts(archive)[0] == quick.CANNOT_TELL


def test_the_manifest_inside_is_held_against_the_one_beside(tree, back_up, monkeypatch):
    archive = back_up(tree)["data"]["archive"]
    monkeypatch.setattr(embedded, "difference", lambda _known, _reader: (None, "it is another"))
    assert "manifest inside" in doubts(archive)[0]


def test_without_the_manifest_beside_it_takes_a_closer_look(tree, back_up, restore_test):
    data = back_up(tree)["data"]
    os.unlink(data["manifest"])
    assert doubts(data["archive"])[0] == quick.CANNOT_TELL
    assert restore_test(data["archive"]).document["status"] == "ok"


@pytest.mark.parametrize("damage", ["content", "mode", "missing", "extra", "extra folder", "link"])
def test_what_differs_in_a_stretch_is_named(tree, back_up, restore_test, tmp_path, chunky, damage, monkeypatch):
    (tree / "zz-hard").unlink()
    (tree / "sub" / "hard").unlink()
    archive = back_up(tree)["data"]["archive"]
    there, compare = tmp_path / "there", trees.in_stretches

    def spoilt(*arguments):
        victim = there / "sub" / "deep" / "file.txt"
        info = victim.stat()
        if damage == "content":
            victim.write_bytes(b"DEEP")
            os.utime(victim, ns=(0, info.st_mtime_ns))
        elif damage == "mode":
            victim.chmod(0o600)
        elif damage == "missing":
            victim.unlink()
        elif damage == "extra":
            (there / "zzz").write_bytes(b"")
        elif damage == "extra folder":
            (there / "b" / "c").mkdir(parents=True)
        else:
            (there / "link").unlink()
            (there / "link").symlink_to("elsewhere")
            os.utime(there / "link", ns=(7, 7), follow_symlinks=False)  # the same at each try
        os.utime(there / "sub" / "deep", ns=(7, 7))
        return compare(*arguments)

    monkeypatch.setattr(trees, "in_stretches", spoilt)
    several = restore_test(archive, mode="extract", dest=str(there), threads=3)
    one = restore_test(archive, mode="extract", dest=str(there), threads=1)
    assert several.failure.code == "restore_differs"
    assert without_times(several.document) == without_times(one.document)


def test_answers_come_in_order_and_no_process_is_left() -> None:
    with in_processes(lambda part: (part, os.getpid()), range(4)) as answers:
        found = answers()
    assert [part for part, _pid in found] == [0, 1, 2, 3]
    assert len({pid for _part, pid in found} | {os.getpid()}) == 5
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("how", ["raises", "exits", "is killed", "answers nothing plain"])
def test_a_process_without_an_answer(how) -> None:
    def work(part):
        if part == 1:
            if how == "raises":
                raise ValueError(part)
            if how == "exits":
                os._exit(0)
            if how == "is killed":
                os.kill(os.getpid(), 9)
            return (threading.Lock(),)
        return (part,)

    with in_processes(work, range(3)) as answers, pytest.raises(Died):
        answers()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_no_process_outlives_the_one_that_started_it() -> None:
    alive, told = os.pipe()
    parent = os.fork()
    if not parent:
        os.close(alive)
        with in_processes(lambda _part: (os.write(told, b"."), threading.Event().wait(60)), range(2)) as answers:
            answers()
    os.close(told)
    assert os.read(alive, 1) + os.read(alive, 1) == b".."
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    ended, _writable, _odd = select.select([alive], [], [], 30)
    assert ended and os.read(alive, 1) == b"", "somebody still holds the other end"
    os.close(alive)


def test_an_interrupt_ends_the_processes() -> None:
    with pytest.raises(KeyboardInterrupt), in_processes(lambda _part: (threading.Event().wait(60),), range(2)):
        raise KeyboardInterrupt
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("path", ["sub", "sub/deep/file.txt", "zz-hard", "sub.txt", "link", "."])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.usefixtures("chunky")
def test_the_lines_of_a_few_paths(tree, back_up, path, beside) -> None:
    """Out of many chunks: the same entries as out of all, with the folders above them."""
    data = back_up(tree)["data"]
    if not beside:
        os.unlink(data["manifest"])
    name = path.encode()
    opened = verify.open_archive(data["archive"], None, verify.Findings(), Wanted([name]))
    every = verify.open_archive(data["archive"], None, verify.Findings())
    wanted = [e.path for e in every.manifest.entries() if path == "." or under(e.path, name) or under(name, e.path)]
    found = [entry.path for entry in opened.manifest.entries()]
    opened.close()
    every.close()
    if opened.manifest.kept is None:  # everything was asked for, or a link's content stands elsewhere, or no chunks
        assert path in (".", "sub", "zz-hard") or not beside
    else:
        assert found == wanted


def test_no_fork_beside_other_threads(monkeypatch) -> None:
    assert _processes.how_many(4, 100) == 4
    monkeypatch.setattr(_processes.threading, "active_count", lambda: 2)
    assert _processes.how_many(4, 100) == 1
