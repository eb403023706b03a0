# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An answer serves again as long as nothing that decides it has changed: each kind of change is noticed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import time
import zlib
from unittest import mock

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _last_answer as last
from ansible_collections.proven.upkeep.plugins.module_utils.packages import apt, collect, restarts
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

FOREVER = 1e12


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_text("one\n")
    (tree / "sub" / "below").write_text("two\n")
    (tmp_path / "outside").write_text("three\n")
    (tree / "link").symlink_to(tmp_path / "outside")
    (tree / "loop").symlink_to(".")
    return tree


def same_size_and_mtime(path):
    status = path.stat()
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(path):
    """As `rename` does it: another file of the same text, size and times."""
    copy = path.with_suffix(".new")
    shutil.copy2(path, copy)
    copy.rename(path)


CHANGES = {
    "touched": lambda tree: os.utime(tree / "file"),
    "edited": lambda tree: (tree / "file").write_text("another\n"),
    "edited, same size and mtime": lambda tree: same_size_and_mtime(tree / "file"),
    "replaced, same text and mtime": lambda tree: replaced(tree / "file"),
    "removed": lambda tree: (tree / "file").unlink(),
    "added": lambda tree: (tree / "new").write_text(""),
    "appeared": lambda tree: (tree.parent / "absent").write_text(""),
    "mode": lambda tree: (tree / "file").chmod(0o600),
    "in a folder below": lambda tree: same_size_and_mtime(tree / "sub" / "below"),
    "renamed": lambda tree: (tree / "file").rename(tree / "renamed"),
    "behind a link": lambda tree: same_size_and_mtime(tree.parent / "outside"),
    "a link led elsewhere": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("file")),
    "folder replaced": lambda tree: (shutil.copytree(tree / "sub", tree / "x"), shutil.rmtree(tree / "sub")),
}


def paths_of(tree):
    return [str(tree), str(tree.parent / "absent")]


def keep(tree, question="q", until=FOREVER):
    paths = paths_of(tree)
    last.keep("apt", question, {"answer": 42}, paths, last.fingerprint(paths), until)


def file_of(tree):
    return tree.parent / "state" / "patch_level" / "last-apt.json"


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_is_noticed(tree, change):
    keep(tree)
    assert last.load("apt", "q") == {"answer": 42}
    time.sleep(0.02)  # one tick of the clock: what is younger is never kept (`settled`)
    CHANGES[change](tree)
    assert last.load("apt", "q") is None


def test_reading_is_no_change(tree):
    keep(tree)
    assert (tree / "file").read_text() and os.listdir(tree)
    assert last.load("apt", "q") == {"answer": 42}
    assert stat.S_IMODE(file_of(tree).stat().st_mode) == 0o600


def test_another_question_another_version_another_apt(tree, monkeypatch):
    keep(tree)
    assert last.load("apt", "other") is None and last.load("dnf", "q") is None
    with mock.patch.object(last, "VERSION", "99.0.0"):
        assert last.load("apt", "q") is None
    monkeypatch.setenv("APT_CONFIG", "/elsewhere")
    assert last.load("apt", "q") is None


def test_it_ends_with_its_time(tree):
    keep(tree, until=time.time() - 1)
    assert last.load("apt", "q") is None
    keep(tree)
    with mock.patch.object(last.time, "time", return_value=time.time() - 3600):  # a clock that was set back
        assert last.load("apt", "q") is None


def flipped(text):
    return text.replace(b"42", b"43")


def of_another_shape(_text):
    body = json.dumps({"question": []}).encode()
    return b"%08x\n%s" % (zlib.crc32(body), body)


@pytest.mark.parametrize(
    "damage", [flipped, of_another_shape, lambda text: text[:-9], lambda text: b"", lambda text: b"\xff\n" + text]
)
def test_damage_means_to_ask_again(tree, damage):
    keep(tree)
    file_of(tree).write_bytes(damage(file_of(tree).read_bytes()))
    assert last.load("apt", "q") is None


def test_what_others_could_have_written_is_not_believed(tree):
    keep(tree)
    file_of(tree).chmod(0o666)
    assert last.load("apt", "q") is None


def test_where_nothing_can_be_written_nothing_is_kept(tree, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tree / "file" / "state"))
    keep(tree)
    assert last.load("apt", "q") is None


@pytest.mark.parametrize(
    "changed_ns, now_ns, expected",
    [
        (1_000_000_001, 1_000_000_001, False),
        (1_000_000_001, 1_040_000_001, False),
        (1_000_000_001, 1_060_000_001, True),
        (1_000_000_000, 1_060_000_000, False),  # whole seconds: a file system that keeps no more
        (1_000_000_000, 3_060_000_000, True),
    ],
)
def test_what_is_too_young_to_tell(changed_ns, now_ns, expected):
    found = {"/a": [0, 0, 0, 0, 0, 0, changed_ns], "/none": None}
    assert last.settled(found, now_ns) is expected


def test_apt_names_everything_that_decides_its_answer(apt_root, monkeypatch):
    for name, value in apt_root.env.items():
        monkeypatch.setenv(name, value)
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")])
    apt_root.auto("tool")
    paths = apt.inputs(Options(bindings="never"))
    root = apt_root.root
    changes = [
        "var/lib/dpkg/status",
        "var/lib/dpkg/updates/0001",
        "var/lib/dpkg/arch",
        "var/lib/apt/extended_states",
        "var/lib/apt/periodic/update-success-stamp",
        "var/lib/apt/lists/some_Packages",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/more.sources",
        "etc/apt/apt.conf",
        "etc/apt/apt.conf.d/20more",
        "etc/apt/preferences",
        "etc/apt/preferences.d/pin",
        "apt.conf",
    ]
    for name in changes:
        before = last.fingerprint(paths)
        with (root / name).open("a") as stream:
            stream.write("\n")
        assert last.fingerprint(paths) != before, name
    (listed,) = (path for path in (root / "var/lib/apt/lists").iterdir() if path.name.endswith("stable_Release"))
    before = last.fingerprint(paths)
    same_size_and_mtime(listed)
    assert last.fingerprint(paths) != before
    assert {"/etc/machine-id"} <= set(paths)
    assert any("/patch_level/refresh-" in path for path in paths)


def test_an_unchanged_host_is_not_asked_again(apt_root, same, schema):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "2.0")])
    apt_root.collect(refresh="always")  # lists as fresh as can be
    time.sleep(0.06)
    first = apt_root.collect()
    unasked = dataclasses.replace(collect.registry.MANAGERS["apt"], collect=None)
    with mock.patch.dict(collect.registry.MANAGERS, apt=unasked):
        second = apt_root.collect()
    assert first["data"]["unchanged_since"] is None and second["data"]["unchanged_since"]
    assert same(second) == same(first)
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(schema).validate(second["data"])
    apt_root.preferences("Package: tool\nPin: version 2.*\nPin-Priority: -1\n")
    time.sleep(0.06)
    assert apt_root.collect()["data"]["pending"][0]["blocked_by"] == "pinned"
    assert apt_root.collect()["data"]["unchanged_since"]
    assert apt_root.collect(max_age=0)["data"]["metadata"]["stale"] is True


def test_locks_and_processes_are_looked_at_each_time(apt_root, monkeypatch):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "1.0")])
    time.sleep(0.06)
    apt_root.collect()
    monkeypatch.setattr(collect, "locked_by", lambda paths: (f"1 {len(paths)}", []))
    stale = restarts.Scan(seen=1)
    monkeypatch.setattr(collect.restarts, "scan", lambda: stale)
    document = apt_root.collect(scan_services=True)["data"]
    assert document["unchanged_since"]
    assert document["health"]["locked_by"] == "1 4" and document["services_stale"] == []


def test_check_mode_reads_and_leaves_nothing(apt_root):
    apt_root.install("tool", "1.0")
    apt_root.repository("stable", [("tool", "1.0")])
    time.sleep(0.06)
    apt_root.collect(check_mode=True)
    kept = apt_root.root / "state" / "patch_level" / "last-apt.json"
    assert not kept.exists()
    apt_root.collect()
    assert kept.exists()
    assert apt_root.collect(check_mode=True)["data"]["unchanged_since"]


def test_the_soonest_of_what_time_will_change():
    metadata = {
        "refreshed_at": "2026-01-01T00:00:00Z",
        "repositories": [{"valid_until": "2026-01-01T06:00:00Z"}, {"valid_until": None}],
    }
    start = 1767225600.0
    for max_age, now, expected in (
        (86400, start, start + 6 * 3600),
        (3600, start, start + 3600),
        (3600, start + 2 * 3600, start + 6 * 3600),  # it is stale already: no change
        (10**9, start + 7 * 3600, start + 31 * 3600),
    ):
        assert collect._good_until(metadata, Options(max_age=max_age), now) == expected
