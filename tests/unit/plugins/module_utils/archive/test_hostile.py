# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives made to do harm: nothing is ever written outside the scratch folder, and each is refused in one line."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _lines, manifest

from tests import forge as forging
from tests.forge import changed, entry, file


@pytest.fixture
def forge(tmp_path):
    """forge([(entry, content), ...]) -> an archive that is sound in every other way, with both manifests."""
    return lambda entries, **more: forging.forge(tmp_path / "evil.tar.gz", entries, **more)


@pytest.fixture
def attempt(tmp_path, restore_test):
    """Extract into a folder beside a victim, and see that nothing but that folder was touched."""

    def run(archive, **more):
        victim = tmp_path / "victim"
        victim.mkdir()
        (victim / "file").write_text("precious")
        result = restore_test(archive, mode="extract", dest=str(tmp_path / "scratch"), keep=True, **more)
        assert sorted(os.listdir(str(victim))) == ["file"] and (victim / "file").read_text() == "precious"
        assert not [name for name in os.listdir(str(tmp_path)) if name.startswith("escaped")]
        return result

    return run


def test_the_forge_itself_makes_good_archives(forge, attempt):
    result = attempt(forge([(entry(b"a", "dir", mode=0o755), b""), file(b"a/b"), file(b"c")]))
    assert result.document["status"] == "ok", result.document["failures"]


def test_an_empty_archive_proves_nothing(forge, restore_test):
    assert restore_test(forge([])).failure.code == "nothing_verified"


@pytest.mark.parametrize(
    "path", [b"../escaped", b"a/../../escaped", b"/escaped", b"a//b", b"./escaped", b"a/.", b"a/", b""]
)
@pytest.mark.parametrize("beside", [True, False])
def test_names_that_lead_out(forge, attempt, path, beside):
    archive = forge([file(path)])
    if not beside:
        os.unlink(archive + manifest.SUFFIX)
    assert attempt(archive).failure.code == "manifest_damaged"


@pytest.mark.parametrize("target", [b"../victim", b"/", b"."])
def test_writing_through_a_link(forge, attempt, target):
    archive = forge([(entry(b"link", "symlink", link=target), b""), file(b"link/file")])
    assert attempt(archive).failure.code == "manifest_damaged"


def test_a_link_and_a_folder_of_the_same_name_apart(forge, attempt):
    """`x` is a link, and `x` is needed as a folder through another spelling of the order."""
    archive = forge([file(b"x/file"), (entry(b"x", "symlink", link=b"../victim"), b"")])
    assert attempt(archive).failure.code == "manifest_damaged"


def test_absolute_links_are_only_links(forge, attempt, tmp_path):
    result = attempt(forge([(entry(b"out", "symlink", link=bytes(tmp_path / "victim"), mode=0o777), b"")]))
    assert result.document["status"] == "ok"
    assert os.readlink(str(tmp_path / "scratch" / "out")) == str(tmp_path / "victim")


@pytest.mark.parametrize("leader", [b"../victim/file", b"/etc/passwd", b"zz"])
def test_hard_links_to_the_outside_or_to_later(forge, attempt, leader):
    archive = forge([(entry(b"hard", "hardlink", leader=leader), b"")])
    assert attempt(archive).failure.code == "manifest_damaged"


def test_a_hard_link_through_a_link(forge, attempt):
    entries = [(entry(b"a", "symlink", link=b"../victim"), b""), (entry(b"b", "hardlink", leader=b"a/file"), b"")]
    assert attempt(forge(entries)).failure is not None


def test_a_hard_link_to_a_symlink_links_the_link(forge, attempt, tmp_path):
    entries = [
        (entry(b"a", "symlink", link=b"../victim/file", mode=0o777), b""),
        (entry(b"b", "hardlink", leader=b"a", mode=0o777), b""),
    ]
    attempt(forge(entries))
    assert os.stat(str(tmp_path / "victim" / "file")).st_nlink == 1


def test_duplicates(forge, attempt):
    assert attempt(forge([file(b"a"), file(b"a")])).failure.code == "manifest_damaged"


def test_the_reserved_name(forge, attempt):
    assert attempt(forge([file(b".upkeep/manifest.jsonl")])).failure.code == "manifest_damaged"


def test_the_scratch_marker_is_not_replaced(forge, attempt):
    assert attempt(forge([file(b".upkeep-restore")])).failure is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could make one")
def test_device_nodes_are_not_made(forge, attempt, tmp_path):
    document = attempt(forge([(entry(b"sda", "block", rdev=(8, 0), mode=0o600), b""), file(b"z")])).document
    assert document["not_checked"] == [{"what": "sda", "why": "device nodes are not made here"}]
    assert not (tmp_path / "scratch" / "sda").exists()


def test_what_the_tar_says_beyond_its_manifest(forge, attempt):
    """A header that differs from its line in anything, here the mode, is damage."""

    def lying(one):
        one.mode = 0o4777
        return _lines.entry_line(one)

    assert attempt(forge([file(b"a")], line=lying)).failure.code == "archive_damaged"


def test_a_bomb_is_refused_before_its_first_byte(forge, attempt, tmp_path, monkeypatch):
    archive = forge([file(b"zeros", bytes(5 << 20))])
    real = os.statvfs

    def small(path):
        info = list(real(path))
        info[4] = 100  # f_bavail
        return os.statvfs_result(info)

    monkeypatch.setattr(os, "statvfs", small)
    assert attempt(archive).failure.code == "no_space"
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("size", [1 << 40, -1, "9", None, 1.5])
def test_sizes_that_lie(forge, attempt, size):
    def lying(one):
        document = json.loads(_lines.entry_line(one))
        document["size"] = size
        return _lines.dump(document)

    assert attempt(forge([file(b"a")], line=lying)).failure.code == "manifest_damaged"


@pytest.mark.parametrize(
    "line",
    [
        b'{"path":5}\n',
        b'{"path"\n',
        b"[]\n",
        b'{"path":"a","type":"file"}\n',
        b'{"path":"' + b"[" * 5000 + b'"}\n',
        b"\xff\n",
    ],
)
def test_lines_that_are_none(forge, attempt, line):
    assert attempt(forge([file(b"a")], line=lambda _one: line)).failure.code == "manifest_damaged"


@pytest.mark.parametrize(
    "values",
    [
        {"uid": 1 << 32}, {"gid": (1 << 32) - 1}, {"mtime_ns": 1 << 100}, {"mtime_ns": -(1 << 100)}, {"size": 1 << 70},
        {"rdev": [1 << 40, 0]}, {"rdev": [-1, 0]}, {"xattrs": {"user.\0": ""}}, {"xattrs": {"": ""}}, {"xattrs": 5},
        {"size": 1 << 45, "sparse": []}, {"sha256_of": "map+data"}, {"mode": 7}, {"user": 5}, {"state": []},
    ],
)  # fmt: skip
def test_entries_that_no_backup_writes(forge, attempt, values):
    result = attempt(forge([file(b"a")], line=lambda one: changed(_lines.entry_line(one), **values)))
    assert result.failure.code == "manifest_damaged" and "\n" not in result.failure.message


@pytest.mark.parametrize("values", [{"stored": 1 << 62}, {"stored": 1 << 70}, {"stored": 3 << 20}, {"size": 1.0},
                                    {"crc32": "fffffffff"}, {"crc32": "-1"}])  # fmt: skip
def test_blocks_that_no_backup_writes(forge, attempt, values):
    result = attempt(forge([file(b"a")], block_line=lambda block: changed(_lines.block_line(block), **values)))
    assert result.failure.code == "manifest_damaged"


@pytest.mark.parametrize("facts", [{"start": -1}, {"start": "1"}, {"start": 1 << 70}, {"backup": None}, {"roots": 5},
                                   {"roots": [5]}, {"xattrs": "yes"}])  # fmt: skip
def test_headers_that_no_backup_writes(forge, attempt, facts):
    assert attempt(forge([file(b"a")], **facts)).failure.code == "manifest_damaged"


def test_a_line_nested_too_deep(forge, attempt):
    nested = b'{"path":' + b"[" * 100000 + b"\n"
    assert attempt(forge([file(b"a")], line=lambda _one: nested)).failure.code == "manifest_damaged"
