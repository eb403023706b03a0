# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups from snapshots of a real btrfs, on a loop device that the test makes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    _unchanged,
    backup,
    compare,
    content,
    previous,
)
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.snapshots import take
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.once
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/backup.json").read_text())


def btrfs(*arguments):
    subprocess.run(["btrfs", "-q", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """A mounted btrfs with a few files, in a subvolume `data` with another, `data/inner`, below it."""
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs"):
        pytest.skip("a btrfs takes root, and btrfs-progs")
    image, place = tmp_path / "image", tmp_path / "volume"
    with image.open("wb") as stream:
        stream.truncate(160 << 20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip("this kernel mounts no btrfs from a loop device")
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))
    try:
        data = place / "data"
        btrfs("subvolume", "create", data)
        btrfs("subvolume", "create", data / "inner")
        (data / "folder").mkdir()
        for number in range(40):
            (data / "folder" / f"file{number}").write_text(f"first {number}\n")
        (data / "inner" / "deep").write_text("inside\n")
        os.link(data / "folder/file1", data / "hard")
        os.symlink("folder/file2", data / "link")
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def later(monkeypatch):
    """The cache's clock is a minute ahead."""
    import time

    from ansible_collections.proven.upkeep.plugins.module_utils.archive import cache

    ahead = type("Ahead", (), {"time_ns": staticmethod(lambda: time.time_ns() + 60 * 10**9)})
    monkeypatch.setattr(cache, "time", ahead)


def request(volume, tmp_path, *paths, **more):
    more.setdefault("snapshot", "auto")
    paths = [str(volume / path) for path in paths or ["data"]]
    return backup.Request(name="my set", paths=paths, dest=str(tmp_path / "out/a.tar.gz"), **more)


def left(volume):
    """Whatever snapshot is there."""
    found = sorted(str(path) for path in volume.glob("**/.upkeep-snapshots/upkeep-*"))
    return [path for path in found if path.count(".upkeep-snapshots") == 1]  # not the empty folders within a snapshot


def names(archive):
    with tarfile.open(archive) as stream:
        return {member.name: member for member in stream if not member.name.startswith(".upkeep")}


def read(archive, path):
    with tarfile.open(archive) as stream:
        return stream.extractfile(str(path).lstrip("/")).read().decode()


@contextlib.contextmanager
def changing(monkeypatch, change):
    """`change()` happens right behind the snapshots."""
    real = take.taken

    @contextlib.contextmanager
    def taken(*arguments):
        with real(*arguments) as found:
            change()
            yield found

    with monkeypatch.context() as patch:
        patch.setattr(take, "taken", taken)
        yield


def test_all_files_are_of_one_moment_under_their_own_names(volume, tmp_path, monkeypatch):
    data = volume / "data"
    live = backup.run(request(volume, tmp_path, snapshot="none"))["data"]
    expected = set(names(live["archive"]))

    def change():
        (data / "folder/file3").write_text("later\n")
        (data / "inner/deep").write_text("later\n")
        (data / "folder/file4").unlink()
        (data / "new").write_text("later\n")

    with changing(monkeypatch, change):
        done = backup.run(request(volume, tmp_path, force=True))["data"]
    assert set(names(done["archive"])) == expected
    assert read(done["archive"], data / "folder/file3") == "first 3\n"
    assert read(done["archive"], data / "inner/deep") == "inside\n"
    assert done["complete"] and not done["changed_during_backup"] and not left(volume)
    assert done["snapshot"]["of"] == [
        {"path": str(data), "driver": "btrfs"}, {"path": str(data / "inner"), "driver": "btrfs"},
    ]  # fmt: skip
    Draft202012Validator(SCHEMA).validate({"project": "p", "host": "h", **done})


@pytest.mark.parametrize("path", ["", "data", "data/folder", "data/folder/file7"])
def test_the_second_run_over_an_unchanged_tree_reads_no_file(volume, tmp_path, monkeypatch, later, path):
    first = backup.run(request(volume, tmp_path, path))
    assert first["changed"] and any(name.endswith("file7") for name in names(first["data"]["archive"]))

    def opened(*arguments):
        raise AssertionError(f"a file was read: {arguments}")

    monkeypatch.setattr(content, "open_file", opened)
    monkeypatch.setattr(compare, "look", opened)
    again = backup.run(request(volume, tmp_path, path))
    assert not again["changed"] and again["data"]["unchanged"]
    assert again["data"]["snapshot"]["taken_at"] and not again["data"]["warnings"]
    # And with or without a snapshot it is the same tree to the cache: check mode takes none.
    assert not backup.run(request(volume, tmp_path, path), check=True)["changed"]
    monkeypatch.undo()
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))
    (volume / "data/folder/file7").write_text("xirst 7\n")
    assert backup.run(request(volume, tmp_path, path))["changed"]
    assert not left(volume)


def test_a_large_tree_is_looked_at_by_spans_under_its_own_name(volume, tmp_path, monkeypatch, later):
    """The name of the snapshot sorts before that of the root: who goes by it leaves everything out."""
    for number in range(6):
        folder = volume / f"folder{number}"
        folder.mkdir()
        for each in range(2000):
            (folder / f"a file with a long enough name {each}").touch()
    assert os.fsencode(volume.name) > b"upkeep"
    backup.run(request(volume, tmp_path, ""))

    def looked(*_arguments):
        raise AssertionError("it took a closer look")

    monkeypatch.setattr(previous, "differences", looked)
    monkeypatch.setattr(_unchanged, "usable_cpus", lambda: 3)
    assert not backup.run(request(volume, tmp_path, ""))["changed"]


def test_what_is_mounted_below_and_has_no_snapshots_is_read_live_and_named(volume, tmp_path):
    place = volume / "data/mounted"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    try:
        (place / "live").write_text("x")
        done = backup.run(request(volume, tmp_path))["data"]
        assert any("Read live" in warning and str(place) in warning for warning in done["warnings"])
        assert done["snapshot"]["live"] == [str(place)]
        assert read(done["archive"], place / "live") == "x"
        left_out = backup.run(request(volume, tmp_path, exclude=["mounted", "inner"]))["data"]
        assert not left_out["snapshot"]["live"] and len(left_out["snapshot"]["of"]) == 1
        kept_out = backup.run(request(volume, tmp_path, one_file_system=True))["data"]
        assert "not entered" in kept_out["snapshot"]["live"][0] and len(kept_out["snapshot"]["of"]) == 1
        assert str(place / "live").lstrip("/") not in names(kept_out["archive"])
        with pytest.raises(UpkeepError) as failed:
            backup.run(request(volume, tmp_path, "data/mounted"))
        assert failed.value.code == "snapshot_unavailable" and "tmpfs" in failed.value.message
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_dumps_come_before_the_snapshot(volume, tmp_path):
    """What a dump refers to, such as a file that a row names, must not be newer than the files."""
    file = volume / "data/uploaded"
    dump = {"name": "d", "engine": "command", "argv": ["sh", "-c", f"echo late > {file}; echo a row names {file}"]}
    for _run in range(2):
        file.unlink(missing_ok=True)
        done = backup.run(request(volume, tmp_path, dumps=[dump]))["data"]
        assert done["dumps"] and read(done["archive"], file) == "late\n"
        assert done["snapshot"]["driver"] == "btrfs" and not left(volume)


def test_a_failed_run_leaves_no_snapshot(volume, tmp_path, monkeypatch):
    def fail(*_arguments):
        raise UpkeepError("unreadable", "no")

    monkeypatch.setattr(backup._Run, "_backed_up", fail)
    with pytest.raises(UpkeepError):
        backup.run(request(volume, tmp_path))
    assert not left(volume)


def test_what_a_killed_run_leaves_the_next_one_removes(volume, tmp_path):
    child = os.fork()
    if child == 0:
        backup._Run._backed_up = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
        with contextlib.suppress(BaseException):
            backup.run(request(volume, tmp_path))
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(left(volume)) == 2 and f"-{child}-0" in left(volume)[0]
    btrfs("subvolume", "snapshot", "-r", volume / "data", volume / "data/.upkeep-snapshots/upkeep-other-0")
    done = backup.run(request(volume, tmp_path))["data"]
    assert sum("a killed run had left" in warning for warning in done["warnings"]) == 2
    assert [os.path.basename(path) for path in left(volume)] == ["upkeep-other-0"]  # another backup's is not ours
    assert not any("upkeep-snapshots" in name for name in names(done["archive"]))
    btrfs("subvolume", "delete", volume / "data/.upkeep-snapshots/upkeep-other-0")


def test_what_a_killed_run_leaves_goes_also_without_snapshots(volume, tmp_path):
    child = os.fork()
    if child == 0:
        backup._Run._backed_up = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
        with contextlib.suppress(BaseException):
            backup.run(request(volume, tmp_path))
        os._exit(1)
    os.waitpid(child, 0)
    assert len(left(volume)) == 2
    done = backup.run(request(volume, tmp_path, snapshot="none"))["data"]
    assert sum("a killed run had left" in warning for warning in done["warnings"]) == 2 and not left(volume)


def test_two_runs_of_one_backup_do_not_sweep_each_other(volume, tmp_path):
    wanted = take.Wanted("auto", "my set", str(tmp_path / "out/a.tar.gz"))
    with take._alone(take._prefix(wanted)), pytest.raises(UpkeepError) as failed:
        backup.run(request(volume, tmp_path))
    assert failed.value.code == "dest_locked"


def test_a_bind_mount_of_a_part_is_refused_and_a_restored_archive_is_the_tree(volume, tmp_path):
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import restore

    done = backup.run(request(volume, tmp_path))["data"]
    assert restore.run(restore.Request(done["archive"])).document["status"] == "ok"
    bound = tmp_path / "bound"
    bound.mkdir()
    subprocess.run(["mount", "--bind", str(volume / "data/folder"), str(bound)], check=True)
    try:
        with pytest.raises(UpkeepError) as failed:
            backup.run(backup.Request("s", [str(bound)], str(tmp_path / "b.tar.gz"), snapshot="btrfs"))
        assert failed.value.code == "snapshot_unavailable" and "by itself" in failed.value.message
    finally:
        subprocess.run(["umount", str(bound)], check=True)
