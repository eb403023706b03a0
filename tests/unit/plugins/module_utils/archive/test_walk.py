# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Order, exclusions, and what is never archived."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import walk
from ansible_collections.proven.upkeep.plugins.module_utils.archive.model import order
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def paths(root, given=(".",), exclude=(), **more):
    walker = walk.Walker(walk.find_roots(given, str(root)), walk.exclusion(exclude), **more)
    return [node.path for node in walker.nodes()], walker


def test_order_is_depth_first_and_bytewise(tree):
    found, _walker = paths(tree)
    assert found[0] == b"."
    assert found == sorted(found, key=order)
    assert found.index(b"sub/hard") < found.index(b"sub.txt")  # a folder's content follows it at once


def test_a_folder_with_more_names_than_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "CHUNK", 3)
    for number in range(10):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "f").write_text("")
    found, _walker = paths(tmp_path)
    assert len(found) == 21 and found[1:] == sorted(found[1:], key=order)


@pytest.mark.parametrize(
    "pattern, gone",
    [
        ("*.txt", {b"sub.txt", b"sub/deep/file.txt"}),
        ("sub/*", {b"sub/deep", b"sub/deep/file.txt", b"sub/hard"}),
        ("/sub/", {b"sub", b"sub/deep", b"sub/deep/file.txt", b"sub/hard"}),
        ("deep", {b"sub/deep", b"sub/deep/file.txt"}),
        ("sub/*.txt", {b"sub/deep/file.txt"}),
        ("not-utf8-*", {b"not-utf8-\xff\xfe"}),
        ("nothing-of-that-name", set()),
    ],
)
def test_exclude(tree, pattern, gone):
    everything, _walker = paths(tree)
    found, walker = paths(tree, exclude=[pattern])
    assert set(everything) - set(found) == gone
    assert bool(walker.excluded) == bool(gone)


@pytest.mark.parametrize("marker", [".upkeep-evidence", ".upkeep-restore"])
def test_evidence_and_scratch_folders_are_left_out(tree, marker):
    (tree / "sub" / marker).write_text("")
    found, walker = paths(tree)
    assert not [path for path in found if path == b"sub" or path.startswith(b"sub/")]
    assert walker.excluded == 1


def test_avoided_folders_and_names(tree):
    info = os.stat(tree / "sub")
    found, walker = paths(tree, avoid_folders=frozenset([(info.st_dev, info.st_ino)]))
    assert b"sub" not in found and walker.excluded == 1
    found, walker = paths(tree, avoid_names={(info.st_dev, info.st_ino): lambda name: name == b"hard"})
    assert b"sub/hard" not in found and b"sub/deep" in found and walker.avoided_inside


def test_roots(tree):
    roots = walk.find_roots(["sub/deep", "sub", "link", "sub.txt"], str(tree))
    assert [root.path for root in roots] == [b"link", b"sub", b"sub.txt"]
    assert [root.path for root in walk.find_roots([str(tree / "small")], None)] == [
        os.fsencode(str(tree / "small"))[1:]
    ]


@pytest.mark.parametrize(
    "given, root, code",
    [
        (["nope"], "tree", "path_missing"),
        (["relative"], None, "bad_parameter"),
        (["../outside"], "tree", "path_missing"),
        ([".."], "tree", "bad_parameter"),
        ([""], "tree", "bad_parameter"),
        (["x"], "relative", "bad_parameter"),
        (["x"], "/no/such/root", "path_missing"),
    ],
)
def test_bad_roots(tree, given, root, code):
    with pytest.raises(UpkeepError) as caught:
        walk.find_roots(given, str(tree) if root == "tree" else root)
    assert caught.value.code == code


def test_a_deeper_tree_than_a_path_may_be_long(tmp_path):
    """4,000 bytes and more below the root, which no single path could name."""
    here = os.getcwd()
    os.chdir(str(tmp_path))
    try:
        for _level in range(50):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        os.mkfifo("leaf")
    finally:
        os.chdir(here)
    found, _walker = paths(tmp_path)
    assert len(found) == 52 and len(found[-1]) > 5000


def test_unreadable_folders_are_named(open_dir, as_nobody):
    os.mkdir(str(open_dir / "shut"), 0o700)
    os.mkdir(str(open_dir / "listed"), 0o755)
    (open_dir / "listed" / "f").write_text("")
    if os.geteuid() != 0:
        os.chmod(str(open_dir / "shut"), 0)
    os.chmod(str(open_dir / "listed"), 0o744 if os.geteuid() == 0 else 0o400)

    def look():
        walker = walk.Walker(walk.find_roots(["."], str(open_dir)), walk.keep_all)
        errors = [node.path for node in walker.nodes() if node.error is not None]
        return errors, walker.unreadable

    assert as_nobody(look) == ([b"shut"], [b"listed/f"])
    os.chmod(str(open_dir / "listed"), 0o755)
