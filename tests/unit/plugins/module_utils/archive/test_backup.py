# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup run: what it reports, when it writes, and what it refuses."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _store, backup, codecs, content, zst
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def code_of(function, *arguments, **more):
    with pytest.raises(UpkeepError) as caught:
        function(*arguments, **more)
    assert "\n" not in caught.value.message
    return caught.value.code


def names(folder):
    return sorted(os.listdir(str(folder)))


def test_result_and_manifest_fit_their_schemas(tree, back_up, valid, tmp_path, a_socket):
    a_socket(tree / "sock")
    result = back_up(tree)
    assert result["changed"]
    data = result["data"]
    valid("backup", data)
    with gzip.open(data["manifest"], "rt") as lines:
        documents = [json.loads(line) for line in lines]
    for document in documents:
        valid("manifest", document)
    types = [document.get("type") for document in documents]
    assert data["files"] == types.count("file") + types.count("hardlink")
    assert data["sockets"] == ["sock"] and data["complete"]
    assert data["bytes"] == os.path.getsize(data["archive"])
    assert names(tmp_path / "out") == ["a.tar.gz", "a.tar.gz.manifest.jsonl.gz"]
    assert os.stat(data["archive"]).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
def test_same_tree_same_bytes_whatever_the_threads(tree, back_up, dest):
    if dest.endswith("zst") and zst.unavailable():
        pytest.skip(zst.unavailable())
    first = back_up(tree, dest, threads=1)["data"]
    second = back_up(tree, "other-" + dest, threads=4)["data"]
    assert first["sha256"] == second["sha256"]


def test_unchanged_is_confirmed_and_touches_nothing(tree, back_up, tmp_path, valid):
    first = back_up(tree)["data"]
    before = [os.stat(first["archive"]), os.stat(first["manifest"]), os.stat(str(tmp_path / "out"))]
    for _run in range(2):
        result = back_up(tree)
        valid("backup", result["data"])
        assert not result["changed"] and result["data"]["unchanged"]
        assert result["data"]["created"] == first["created"] and result["data"]["sha256"] == first["sha256"]
    after = [os.stat(first["archive"]), os.stat(first["manifest"]), os.stat(str(tmp_path / "out"))]
    assert [(s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for s in before] == [
        (s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for s in after
    ]


def settle(monkeypatch):
    """Let the cache trust files that were made just now."""
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import cache

    monkeypatch.setattr(cache, "_FRESH_NS", 0)
    time.sleep(0.02)


def test_a_trusted_tree_is_not_read_again(tree, back_up, monkeypatch):
    settle(monkeypatch)
    back_up(tree)
    monkeypatch.setattr(content, "open_file", None)
    assert not back_up(tree)["changed"]


def test_without_its_cache_everything_is_hashed_again(tree, back_up, state_dir, monkeypatch):
    settle(monkeypatch)
    back_up(tree)
    for name in os.listdir(str(state_dir / "cache")):
        os.unlink(str(state_dir / "cache" / name))
    assert not back_up(tree)["changed"]


@pytest.mark.parametrize("trusted", [True, False])
def test_an_edit_of_the_same_size_and_mtime_is_seen(tree, back_up, monkeypatch, trusted):
    if trusted:
        settle(monkeypatch)
    back_up(tree)
    info = os.stat(str(tree / "small"))
    (tree / "small").write_bytes(b"HELLO\n")
    os.utime(str(tree / "small"), ns=(info.st_atime_ns, info.st_mtime_ns))
    result = back_up(tree, diff=True)
    assert result["changed"] and result["diff"]["after"] == "~ small\n"


@pytest.mark.parametrize(
    "change, listed",
    [
        (lambda top: (top / "new").write_text("n"), "~ .\n+ new\n"),
        (lambda top: (top / "big").unlink(), "~ .\n- big\n"),
        (lambda top: (top / "big").chmod(0o600), "~ big\n"),
        (lambda top: (top / "sub" / "deep" / "file.txt").write_text("more"), "~ sub/deep/file.txt\n"),
        (lambda top: ((top / "link").unlink(), (top / "link").symlink_to("big")), "~ .\n~ link\n"),
        (lambda top: os.utime(str(top / "nothing"), ns=(0, 5)), "~ nothing\n"),
        (lambda top: os.link(str(top / "big"), str(top / "zzz")), "~ .\n+ zzz\n"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_each_kind_of_change_is_seen_and_listed(tree, back_up, monkeypatch, change, listed, trusted):
    if trusted:
        settle(monkeypatch)
    back_up(tree)
    change(tree)
    predicted = back_up(tree, check=True, diff=True)
    result = back_up(tree, diff=True)
    assert result["changed"] and predicted["changed"]
    assert result["diff"]["after"] == predicted["diff"]["after"] == listed


def flip(path):
    with open(path, "r+b") as stream:  # noqa: PTH123
        stream.seek(50)
        byte = stream.read(1)
        stream.seek(50)
        stream.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("what", ["archive", "manifest"])
@pytest.mark.parametrize("harm", [os.unlink, lambda path: os.truncate(path, 100), flip])
def test_a_damaged_or_missing_archive_is_written_anew(tree, back_up, what, harm):
    first = back_up(tree)["data"]
    harm(first[what])
    second = back_up(tree)
    assert second["changed"] and second["data"]["sha256"] == first["sha256"]


def test_a_touched_but_equal_archive_is_kept(tree, back_up):
    first = back_up(tree)["data"]
    os.utime(first["archive"])
    assert not back_up(tree)["changed"]


@pytest.mark.parametrize(
    "parameters", [{"level": 1}, {"exclude": ["*.txt"]}, {"sparse": False}, {"xattrs": False}, {"force": True}]
)
def test_other_parameters_make_a_new_archive(tree, back_up, parameters):
    back_up(tree)
    assert back_up(tree, **parameters)["changed"]


@pytest.mark.parametrize("beside", [True, False])
def test_the_archive_of_another_set_is_not_replaced(tree, tmp_path, beside):
    dest = str(tmp_path / "out" / "a.tar.gz")
    first = backup.run(backup.Request("one", [str(tree)], dest))["data"]
    if not beside:
        os.unlink(first["manifest"])
    for check in (True, False):
        with pytest.raises(UpkeepError) as caught:
            backup.run(backup.Request("two", [str(tree)], dest), check=check)
        assert caught.value.code == "dest_of_another_set" and "backup one" in caught.value.message
    assert os.path.getsize(dest) == first["bytes"]
    assert backup.run(backup.Request("two", [str(tree)], dest, force=True))["data"]["backup"] == "two"
    assert not backup.run(backup.Request("two", [str(tree)], dest))["changed"]


def test_check_mode_touches_nothing(tree, back_up, tmp_path, valid):
    result = back_up(tree, check=True, diff=True)
    assert result["changed"] and result["data"]["predicted"]
    valid("backup", result["data"])
    assert not (tmp_path / "out").exists() and not (tmp_path / "state").exists()


def test_evidence_is_excluded_and_counted(tree, back_up):
    (tree / "sub" / ".upkeep-evidence").write_text("")
    assert back_up(tree)["data"]["excluded"] == 1


def test_dest_inside_the_tree_is_not_in_the_archive(tree, back_up, restore_test):
    data = backup.run(backup.Request("set", [str(tree)], str(tree / "sub" / "a.tar.gz")))["data"]
    again = backup.run(backup.Request("set", [str(tree)], str(tree / "sub" / "a.tar.gz"), force=True))["data"]
    assert data["files"] == again["files"] and any("dest lies inside" in text for text in again["warnings"])


def test_a_linked_path_is_stored_as_a_link_and_said_so(tree, back_up):
    data = back_up(tree, paths=["absolute"])["data"]
    assert data["entries"] == 1 and "symbolic link" in data["warnings"][0]


@pytest.mark.parametrize(
    "parameters, code",
    [
        ({"paths": ["missing"]}, "path_missing"),
        ({"paths": []}, "bad_parameter"),
        ({"dest": "a.zip"}, "bad_parameter"),
        ({"dest": "a.tar.gz", "compression": "none"}, "bad_parameter"),
        ({"level": 11}, "bad_parameter"),
        ({"threads": 0}, "bad_parameter"),
        ({"require_free": 1 << 60}, "no_space"),
    ],
)
def test_bad_parameters(tree, back_up, tmp_path, parameters, code):
    assert code_of(back_up, tree, **parameters) == code
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_dest_that_is_no_file(tree, back_up, tmp_path, kind):
    (tmp_path / "out").mkdir()
    dest = tmp_path / "out" / "a.tar.gz"
    dest.mkdir() if kind == "folder" else dest.symlink_to("elsewhere")
    assert code_of(back_up, tree) == "dest_not_a_file"


def test_dest_below_a_file(tree):
    assert code_of(backup.run, backup.Request("set", [str(tree)], str(tree / "small" / "a.tar"))) == "dest_unwritable"


def test_unwritable_dest(open_dir, as_nobody):
    (open_dir / "data").write_text("x")
    (open_dir / "shut").mkdir(mode=0o555)
    request = backup.Request("set", [str(open_dir / "data")], str(open_dir / "shut" / "a.tar.gz"))
    assert as_nobody(lambda: code_of(backup.run, request)) == "dest_unwritable"


def test_unreadable_files(open_dir, as_nobody):
    data = open_dir / "data"
    data.mkdir()
    (data / "open").write_text("yes")
    (data / "shut").write_text("no")
    (data / "shut").chmod(0)
    (data / "folder").mkdir(mode=0o700 if os.geteuid() == 0 else 0)
    dest = str(open_dir / "a.tar.gz")

    assert as_nobody(lambda: code_of(backup.run, backup.Request("set", [str(data)], dest))) == "unreadable"
    assert names(open_dir) == ["data"]
    marked = as_nobody(lambda: backup.run(backup.Request("set", [str(data)], dest, on_unreadable="mark"))["data"])
    prefix = str(data)[1:]
    assert sorted(marked["unreadable"]) == [prefix + "/folder", prefix + "/shut"]
    assert not marked["complete"] and marked["archive"].endswith("/a.incomplete.tar.gz") and not os.path.exists(dest)


def test_zst_falls_back_to_gz_or_says_why_not(tree, back_up, monkeypatch):
    monkeypatch.setattr(zst, "_library", lambda: None)
    data = back_up(tree, "a.tar.zst")["data"]
    assert data["compression"] == "gz" and data["archive"].endswith("a.tar.gz") and "libzstd" in data["warnings"][0]
    assert code_of(back_up, tree, "b.tar.zst", compression="zst") == "compression_unavailable"


def test_codecs_by_first_bytes():
    assert codecs.recognise(b"\x1f\x8b").name == "gz"
    with pytest.raises(ValueError):
        codecs.recognise(b"PK\x03\x04")


# -- files that do not hold still -------------------------------------------------------------------------------------


@pytest.fixture
def disturb(monkeypatch):
    """disturb(times, action): `action` runs during the first `times` reads of a file's content."""

    def install(times, action):
        left = [times]
        original = content.same

        def same(before, after):
            if before.st_size in action.sizes and left[0]:
                left[0] -= 1
                action()
                return False
            return original(before, after)

        monkeypatch.setattr(content, "same", same)
        monkeypatch.setattr(_store, "_PAUSE_S", 0)

    return install


class Append:
    def __init__(self, path):
        self.path, self.sizes = path, {os.path.getsize(str(path))}

    def __call__(self):
        with self.path.open("ab") as stream:
            stream.write(b"more" * 999)  # a size that no other file has
        self.sizes.add(os.path.getsize(str(self.path)))


@pytest.mark.parametrize("name", ["small", "big", "sparse"])
def test_a_file_that_settles_is_read_again(tree, back_up, restore_test, disturb, name):
    disturb(2, Append(tree / name))
    data = back_up(tree)["data"]
    assert data["complete"]
    assert restore_test(data["archive"]).document["status"] == "ok"
    assert restore_test(data["archive"], compare="live").document["status"] == "ok"


@pytest.mark.parametrize("name", ["small", "big", "sparse"])
@pytest.mark.parametrize("on_changed", ["mark", "retry"])
def test_a_file_that_does_not_settle_is_marked(tree, back_up, restore_test, disturb, name, on_changed):
    good = back_up(tree)["data"]
    disturb(12, Append(tree / name))  # each of three names is looked at once, then tried three times
    data = back_up(tree, on_changed=on_changed, force=True)["data"]
    links = ["sub/hard", "zz-hard"] if name == "small" else []  # they are no names of a file that never held still
    assert data["changed_during_backup"] == [name, *links] and not data["complete"]
    assert data["archive"].endswith("a.incomplete.tar.gz")
    assert restore_test(data["archive"]).document["status"] == "incomplete"
    assert restore_test(good["archive"]).document["status"] == "ok"


def test_on_changed_fail(tree, back_up, disturb, tmp_path):
    back_up(tree)
    before = names(tmp_path / "out")
    disturb(1, Append(tree / "big"))
    assert code_of(back_up, tree, on_changed="fail", force=True) == "changed_during_backup"
    assert names(tmp_path / "out") == before


def test_files_that_grow_and_shrink_for_real(tmp_path, back_up, restore_test):
    top = tmp_path / "busy"
    top.mkdir()
    stop = threading.Event()

    def churn():
        size = 0
        while not stop.is_set():
            size = (size * 7 + 1234567) % 3000000
            with (top / "log").open("ab") as stream:
                stream.truncate(size)
                stream.write(b"x" * 100)

    (top / "log").write_bytes(b"start")
    (top / "quiet").write_bytes(b"quiet")
    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _run in range(5):
            data = back_up(top, on_changed="mark", force=True)["data"]
            document = restore_test(data["archive"]).document
            assert document["status"] == ("ok" if data["complete"] else "incomplete"), document["failures"]
    finally:
        stop.set()
        worker.join()


def test_what_vanishes_is_listed(tree, back_up, monkeypatch, restore_test):
    original = content.open_file

    def open_file(name, dir_fd):
        if name == b"small":
            os.unlink(str(tree / "small"))
        return original(name, dir_fd)

    monkeypatch.setattr(content, "open_file", open_file)
    data = back_up(tree)["data"]
    assert data["vanished"] == ["small"] and not data["complete"]
    document = restore_test(data["archive"]).document
    assert document["status"] == "incomplete" and "small" in [item["what"] for item in document["not_checked"]]
