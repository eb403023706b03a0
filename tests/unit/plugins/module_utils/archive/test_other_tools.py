# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives are standard: what GNU tar, bsdtar, gzip, zstd and Python's tarfile make of them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import zst


def tool(name):
    path = shutil.which(name)
    return path or pytest.skip(f"{name} is not installed")


def listing(top):
    """(type, mode, size, mtime, link or content) of everything below `top`, by name; times in whole seconds."""
    found = {}
    top = os.fsencode(str(top))
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = None
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as stream:  # noqa: PTH123
                    content = stream.read()
            size = info.st_size if content is not None else 0
            found[os.path.relpath(path, top)] = (info.st_mode, size, info.st_mtime_ns // 10**9, info.st_nlink, content)
    found.pop(b".upkeep", None)
    found.pop(b".upkeep/manifest.jsonl", None)
    return found


@pytest.fixture(params=["a.tar.gz", "a.tar.zst", "a.tar"])
def archive(request, tree, back_up):
    if request.param.endswith("zst") and zst.unavailable():
        pytest.skip(zst.unavailable())
    os.utime(str(tree / "small"), ns=(0, -2_000_000_000))  # bsdtar misreads a negative time with a fraction
    return back_up(tree, request.param)["data"]["archive"]


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_unpacked_by_a_stock_tar_it_is_the_tree(tree, archive, tmp_path, program):
    command = [tool(program), "-xpf", archive, "-C", str(tmp_path / "there")]
    if program == "tar":
        command += ["--xattrs", "--xattrs-include=*", "--acls", "--warning=no-timestamp"]
    (tmp_path / "there").mkdir()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0 and done.stdout == b""
    assert listing(tmp_path / "there") == listing(tree)
    if program == "tar":
        for name in os.listxattr(str(tree / "small")):
            assert os.getxattr(str(tmp_path / "there" / "small"), name) == os.getxattr(str(tree / "small"), name)
    assert os.stat(str(tmp_path / "there" / "sparse")).st_blocks * 512 < 3000000


@pytest.mark.parametrize("program", [["gzip", "-t"], ["zstd", "-tq"]])
def test_the_compressors_own_check(tree, back_up, program):
    suffix = {"gzip": "a.tar.gz", "zstd": "a.tar.zst"}[program[0]]
    if suffix.endswith("zst") and zst.unavailable():
        pytest.skip(zst.unavailable())
    archive = back_up(tree, suffix)["data"]["archive"]
    subprocess.run([tool(program[0]), *program[1:], archive], check=True)


@pytest.mark.parametrize("mode", ["r:*", "r|*"])
@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar"])
def test_read_by_python(tree, back_up, mode, dest):
    archive = back_up(tree, dest)["data"]["archive"]
    expected = listing(tree)
    seen = set()
    with tarfile.open(archive, mode, errors="surrogateescape") as tar:
        for member in tar:
            name = os.fsencode(member.name)
            if name in (b".", b".upkeep/manifest.jsonl"):
                continue
            seen.add(name)
            if member.isreg() and (mode == "r:*" or not member.issparse()):
                assert tar.extractfile(member).read() == expected[name][4]
    assert seen == set(expected)


def test_acls_and_capabilities_by_gnu_tar(tmp_path, back_up):
    if os.geteuid() != 0:
        pytest.skip("only root can set capabilities")
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").write_text("x")
    subprocess.run([tool("setfacl"), "-m", "u:1234:rw", str(top / "file")], check=True)
    subprocess.run([tool("setfacl"), "-d", "-m", "g:1234:rx", str(top)], check=True)
    subprocess.run([tool("setcap"), "cap_net_raw+ep", str(top / "file")], check=True)
    archive = back_up(top)["data"]["archive"]
    there = tmp_path / "there"
    there.mkdir()
    command = [tool("tar"), "-xpf", archive, "-C", str(there), "--acls", "--xattrs", "--xattrs-include=*"]
    subprocess.run(command, check=True)
    for name in ("file", "."):
        for key in os.listxattr(str(top / name)):
            assert os.getxattr(str(there / name), key) == os.getxattr(str(top / name), key)
