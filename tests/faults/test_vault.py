# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pulls into the vault that are cut, damaged or left without room, over SSH from an sshd of the test's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp.target import Target
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index, part, pull, store, ways

from tests.sshd import SSHD, Sshd

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd (apt install openssh-server)")
SIZE = 30_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield found
    found.stop()


@pytest.fixture
def offered(tmp_path):
    (tmp_path / "there").mkdir()
    files = []
    for name, size in (("archive", SIZE), ("manifest", 1000)):
        path = tmp_path / "there" / name
        path.write_bytes(os.urandom(size))
        files.append(part.Wanted(str(path), size, hashlib.sha256(path.read_bytes()).hexdigest()))
    return store.Offered("web1", "etc", "2026-11-23T08:34:03Z", *files, files[0].sha256, ".tar.gz")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "vault").mkdir()
    return tmp_path / "vault"


def sftp(server: Sshd) -> ways.Sftp:
    return ways.Sftp(Target("there", arguments=("-F", str(server.config))))


def leave_a_part(folder: Path, offered: store.Offered, server: Sshd, length: int = SIZE // 2) -> Path:
    """As a controller that was killed leaves it; returns the `.part`."""

    class Killed(BaseException):
        pass

    def tell(done: int, wanted: int) -> None:
        if wanted == SIZE and done >= length:
            raise Killed

    with pytest.raises(Killed):
        store.store(folder, offered, pull.Puller(sftp(server), tell))
    (found,) = folder.glob("*.tar.gz.part")
    assert length <= found.stat().st_size < SIZE and not index.entries_in(folder)
    return found


def whole(folder: Path, offered: store.Offered) -> bool:
    (entry,) = index.entries_in(folder)
    same = (folder / entry.archive).read_bytes() == Path(offered.archive.path).read_bytes()
    return same and sorted(path.name for path in folder.iterdir()) == sorted(entry.names)


def test_the_connection_cut_twice(server, offered, folder):
    cuts = [SIZE // 3, SIZE * 2 // 3]
    waited = []

    def tell(done: int, wanted: int) -> None:
        if cuts and wanted == SIZE and done >= cuts[0]:
            cuts.pop(0)
            assert server.cut() >= 1

    entry, went = store.store(folder, offered, pull.Puller(sftp(server), tell, pause=waited.append))
    assert not cuts and went.connections == 3 and waited == [1.0, 1.0]
    assert went.bytes == SIZE + 1000 and entry.bytes == SIZE and whole(folder, offered)


def test_a_server_that_stays_away(server, offered, folder):
    waited = []
    away = Target("127.0.0.1", port=1, arguments=("-F", "none"))
    with pytest.raises(UpkeepError) as raised:
        store.store(folder, offered, pull.Puller(ways.Sftp(away), pause=waited.append))
    assert raised.value.code == "host_unreachable" and waited == list(pull.PAUSES)


def test_killed_and_taken_up_again(server, offered, folder):
    there = leave_a_part(folder, offered, server).stat().st_size
    went = store.store(folder, offered, pull.Puller(sftp(server)))[1]
    assert went.resumed_from == there and went.bytes == SIZE - there and whole(folder, offered)


def test_a_flipped_byte_in_what_was_there(server, offered, folder):
    found = leave_a_part(folder, offered, server)
    with found.open("r+b") as stream:
        stream.seek(1000)
        byte = stream.read(1)
        stream.seek(1000)
        stream.write(bytes([byte[0] ^ 1]))
    went = store.store(folder, offered, pull.Puller(sftp(server)))[1]
    assert went.resumed_from == 0 and whole(folder, offered)


def test_what_was_there_is_of_another_file(server, offered, folder, tmp_path):
    leave_a_part(folder, offered, server)
    (folder / "20260101T000000Z.tar.gz").write_bytes(b"renamed, and then killed")
    other = tmp_path / "there/other"
    other.write_bytes(os.urandom(SIZE + 5))
    wanted = part.Wanted(str(other), SIZE + 5, hashlib.sha256(other.read_bytes()).hexdigest())
    newer = replace(offered, archive=wanted, created="2026-11-23T09:00:00Z")
    went = store.store(folder, newer, pull.Puller(sftp(server)))[1]
    assert went.resumed_from == 0 and whole(folder, newer)


@pytest.mark.parametrize("harm", ["replaced", "cut short", "gone"])
def test_what_came_is_not_what_was_offered(server, offered, folder, harm):
    path = Path(offered.archive.path)
    {
        "replaced": lambda: path.write_bytes(os.urandom(SIZE)),
        "cut short": lambda: os.truncate(path, SIZE - 1),
        "gone": path.unlink,
    }[harm]()
    with pytest.raises(pull.Replaced):
        store.store(folder, offered, pull.Puller(sftp(server)))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("killed_after", ["manifest", "archive"])
def test_killed_before_it_counts(server, offered, folder, monkeypatch, killed_after):
    """Between the renames, or after both and before the document: all is there already, and nothing comes again."""

    class Killed(BaseException):
        pass

    published = []
    publish = part.Part.publish

    def killed(self):
        publish(self)
        published.append(self.final.name)
        if ("manifest" in self.final.name) == (killed_after == "manifest"):
            raise Killed

    monkeypatch.setattr(part.Part, "publish", killed)
    with pytest.raises(Killed):
        store.store(folder, offered, pull.Puller(sftp(server)))
    assert not index.entries_in(folder)
    monkeypatch.undo()
    went = store.store(folder, offered, pull.Puller(sftp(server)))[1]
    assert went.bytes == 0 and went.resumed_from == SIZE and whole(folder, offered)


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_no_room(server, offered, small_disk):
    with pytest.raises(UpkeepError, match="nothing was pulled") as raised:
        store.store(small_disk, offered, pull.Puller(sftp(server)))
    assert raised.value.code == "controller_full" and raised.value.details["required"] == SIZE + 1000


def test_room_that_goes_meanwhile(server, offered, small_disk, monkeypatch):
    monkeypatch.setattr(store, "check_room", lambda folder, needed: None)
    with pytest.raises(UpkeepError) as raised:
        store.store(small_disk, offered, pull.Puller(sftp(server)))
    assert raised.value.code == "controller_full"
    assert not list(small_disk.glob("*.tar.gz*part*")), "what came of it must not fill the disk"


def test_a_server_that_gives_little_at_a_time(server, offered, folder, monkeypatch):
    """Asked for more than it gives: OpenSSH before 8.5 gives 64 KiB however much it is asked for."""
    from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp import reading

    monkeypatch.setattr(reading, "read_length", lambda client: 1 << 20)
    store.store(folder, offered, pull.Puller(sftp(server)))
    assert whole(folder, offered)
