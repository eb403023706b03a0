# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tree that changes under the backup: what was replaced, renamed or vanished is said, and never followed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import random
import shutil
import socket
import threading

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _store, content, manifest


@pytest.fixture
def top(tmp_path):
    """`a` is stored first; `m` and the folder `n` were looked at by then, and are stored after it."""
    folder = tmp_path / "top"
    (folder / "n" / "deep").mkdir(parents=True)
    for name in ("a", "m", "n/file", "n/deep/file", "z"):
        (folder / name).write_text("of " + name)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("SECRET")
    return folder


@pytest.fixture
def meanwhile(monkeypatch):
    """meanwhile(path, action): `action` runs at the moment when the entry `path` is about to be stored."""

    def install(path, action):
        original = _store.Store.add

        def add(self, node):
            if node.path == path:
                action()
            return original(self, node)

        monkeypatch.setattr(_store.Store, "add", add)

    return install


def entries(data):
    return {entry.path: entry for entry in manifest.load(data["manifest"]).entries()}


def a_link(path, victim):
    path.symlink_to(victim)


def a_fifo(path, _victim):
    os.mkfifo(str(path))


def a_folder(path, victim):
    shutil.copytree(str(victim), str(path))


def a_file(path, _victim):
    path.write_text("SECRET")


def a_socket(path, _victim):
    here = os.getcwd()
    os.chdir(str(path.parent))  # its name may be no longer than 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def nothing(_path, _victim):
    pass


@pytest.mark.parametrize("name", ["m", "n"])
@pytest.mark.parametrize("instead", [a_link, a_fifo, a_folder, a_file, a_socket, nothing])
@pytest.mark.parametrize("on_unreadable", ["fail", "mark"])
def test_something_else_takes_its_place(top, tmp_path, back_up, restore_test, meanwhile, name, instead, on_unreadable):
    """Never an `ok` without a word, never what a link leads to, and no failure of all for the sake of one."""

    def replace():
        (top / name).rename(tmp_path / "moved")
        victim = tmp_path / "victim"
        instead(top / name, victim / "file" if (name, instead) == ("m", a_link) else victim)

    meanwhile(b"a", replace)
    data = back_up(top, on_unreadable=on_unreadable)["data"]
    stored = entries(data)
    same_kind = instead is (a_file if name == "m" else a_folder)
    if same_kind:  # as good as edited just before: stored as it is now
        assert data["complete"] and stored[os.fsencode(name)].state == "stable"
    else:
        assert not data["complete"] and data["vanished"] == [name]
        assert name.encode() not in stored or stored[name.encode()].state == "vanished"
        assert b"SECRET" not in content_of(data)
    document = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s")).document
    assert document["status"] == ("ok" if same_kind else "incomplete"), document["failures"]


def content_of(data):
    with gzip.open(data["archive"]) as stream:
        return stream.read()


@pytest.mark.parametrize("where", ["beside", "elsewhere"])
def test_a_folder_that_is_renamed_while_it_is_read(top, tmp_path, back_up, restore_test, meanwhile, where):
    """It was opened, so its content is stored under the name it had; nothing is lost on the way."""
    target = top / "y" if where == "beside" else tmp_path / "away"
    meanwhile(b"n/deep", lambda: (top / "n").rename(target))
    data = back_up(top)["data"]
    assert {b"n", b"n/deep", b"n/deep/file", b"n/file"} <= set(entries(data))
    assert restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s")).document["status"] == "ok"
    assert back_up(top)["changed"]


def test_a_link_whose_target_changes_and_a_fifo_that_goes(top, back_up, meanwhile, restore_test):
    (top / "b").symlink_to("one")
    os.mkfifo(str(top / "c"))

    def change():
        (top / "b").unlink()
        (top / "b").symlink_to("two")
        (top / "c").unlink()

    meanwhile(b"a", change)
    data = back_up(top)["data"]
    assert entries(data)[b"b"].link == b"two" and data["vanished"] == ["c"]
    assert restore_test(data["archive"]).document["status"] == "incomplete"


def test_what_takes_a_links_place(top, back_up, meanwhile, restore_test):
    """Reading a link that is none any more: EINVAL, which is the path's own trouble."""
    (top / "b").symlink_to("one")

    def change():
        (top / "b").unlink()
        (top / "b").write_text("a file now")

    meanwhile(b"a", change)
    data = back_up(top)["data"]
    assert data["vanished"] == ["b"] and not data["complete"]
    assert restore_test(data["archive"]).document["status"] == "incomplete"


def test_an_edit_in_the_same_tick_is_not_missed(top, back_up, monkeypatch):
    """Kernels before 6.13 stamp changes by a clock that moves every few milliseconds: a file that was changed in the
    tick in which it is looked at may change again and look the same. So that tick is waited for, then it is read."""
    path = top / "m"
    path.write_text("of m")
    changed = os.stat(str(path)).st_ctime_ns
    clock = [changed - 1]

    def edit(_seconds):
        clock[0] += 4_000_000
        path.write_text("OF M")

    monkeypatch.setattr(content, "tick", lambda: clock[0])
    monkeypatch.setattr(content.time, "sleep", edit)
    data = back_up(top)["data"]
    assert clock[0] == changed + 3_999_999 and data["complete"]
    assert entries(data)[b"m"].sha256 == hashlib.sha256(b"OF M").hexdigest()


def write(path, size):
    fd = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK)  # it may be a FIFO by now
    try:
        os.write(fd, b"y" * size)
    finally:
        os.close(fd)


def disturb(top, chance):
    """One of the things that happen to trees in use."""
    path, other = (top / f"d{chance.randrange(4)}" / f"f{chance.randrange(12)}" for _which in "ab")
    what = chance.randrange(9)
    if what < 2:
        write(path, chance.randrange(2_000_000 if what else 40000))
    elif what == 2:
        path.rename(other)
    elif what == 3:
        path.parent.rename(top / f"d{chance.randrange(9)}")
    elif what == 4:
        path.parent.mkdir()
    elif what == 5 and path.is_file():
        os.truncate(str(path), chance.randrange(50000))
    else:
        path.unlink()
        {6: os.mkfifo, 7: lambda at: os.symlink("nowhere", at)}.get(what, lambda at: os.link(str(other), at))(str(path))


@pytest.mark.long
def test_a_tree_in_full_use(tmp_path, back_up, restore_test):
    """Writers, renamers and removers at work while backup after backup is made: each archive is whole and says of
    itself what it is."""
    top = tmp_path / "busy"
    for folder in range(4):
        (top / f"d{folder}").mkdir(parents=True)
        for number in range(12):
            (top / f"d{folder}" / f"f{number}").write_bytes(b"x" * number * 3000)
    stop = threading.Event()

    def worker(seed):
        chance = random.Random(seed)
        while not stop.is_set():
            with contextlib.suppress(OSError):
                disturb(top, chance)

    workers = [threading.Thread(target=worker, args=(seed,)) for seed in range(3)]
    for each in workers:
        each.start()
    try:
        for turn in range(4):
            data = back_up(top, force=True, on_changed="mark" if turn % 2 else "retry")["data"]
            document = restore_test(data["archive"], mode="extract", dest=str(tmp_path / "s")).document
            assert document["status"] == ("ok" if data["complete"] else "incomplete"), document["failures"]
            assert document["entries_verified"] == document["entries_expected"] == data["entries"]
    finally:
        stop.set()
        for each in workers:
            each.join()
    data = back_up(top)["data"]
    assert data["complete"] and restore_test(data["archive"]).failure is None
