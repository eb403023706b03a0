# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every type of entry and every attribute that the format promises, through backup, extraction and a restore for real,
held against an independent look (lstat, getxattr, SEEK_DATA), and read by stock programs."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, manifest, restore, restore_in_place

ROOT = os.geteuid() == 0
AS_ROOT = pytest.mark.skipif(not ROOT, reason="only root can make one")


def data_regions(path, size):
    """Where a file has data, as the kernel says."""
    found, at = [], 0
    fd = os.open(path, os.O_RDONLY)
    try:
        while at < size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
    finally:
        os.close(fd)
    return found


def look(path, names):
    """All that there is to know about one path. `names` maps inodes to the first path that they were seen under."""
    info = os.lstat(path)
    seen = {
        "mode": info.st_mode, "uid": info.st_uid, "gid": info.st_gid, "mtime_ns": info.st_mtime_ns,
        "rdev": info.st_rdev if not stat.S_ISREG(info.st_mode) else 0,
        "xattrs": {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        },
    }  # fmt: skip
    if not stat.S_ISDIR(info.st_mode):
        seen["links"], seen["first"] = info.st_nlink, names.setdefault(info.st_ino, os.path.basename(path))
    if stat.S_ISLNK(info.st_mode):
        seen["target"] = os.readlink(path)
    if stat.S_ISREG(info.st_mode):
        seen["size"], seen["data"] = info.st_size, data_regions(path, info.st_size)
        with open(path, "rb") as stream:  # noqa: PTH123
            seen["content"] = stream.read()
    return seen


def listing(top, skip=()):
    """`look` at everything below `top` by relative path; works however deep it is."""
    top, found, names = os.fsencode(str(top)), {}, {}
    here = os.open(".", os.O_RDONLY)

    def below(prefix):
        for name in sorted(os.listdir(b".")):
            path = prefix + name
            if path in skip:
                continue
            found[path] = look(name, names)
            if stat.S_ISDIR(found[path]["mode"]):
                up = os.open(".", os.O_RDONLY)
                os.chdir(name)
                below(path + b"/")
                os.fchdir(up)
                os.close(up)

    try:
        os.chdir(top)
        below(b"")
    finally:
        os.fchdir(here)
        os.close(here)
    return found


@pytest.fixture
def round_trip(tmp_path, back_up, restore_test):
    """round_trip(top) -> the archive, after it was extracted, restored and compared, each time equal to `top`."""

    def run(top, dest="a.tar.gz", not_checked=(), devices=True):
        before = listing(top)
        data = back_up(top, dest)["data"]
        assert data["complete"] and data["warnings"] == []
        there = tmp_path / "there"
        result = restore_test(
            data["archive"], mode="extract", dest=str(there), keep=True, devices=devices, compare="live"
        )
        assert result.failure is None, result.document["failures"]
        assert sorted(item["what"] for item in result.document["not_checked"]) == sorted([".", *not_checked])
        assert listing(there, (b".upkeep-restore",)) == before
        request = restore_in_place.Request(data["archive"], dest=str(tmp_path / "restored"), devices=devices)
        done = restore_in_place.run(request)
        assert done.failure is None
        assert listing(tmp_path / "restored") == before
        assert listing(top) == before
        # No file of it was worth reading again: nothing changed by being read.
        assert not back_up(top, dest)["changed"]
        return data["archive"]

    return run


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "top"
    folder.mkdir()
    return folder


def put(path, content=b"x"):
    path.write_bytes(content)
    return str(path)


def test_names_of_every_byte(top, round_trip):
    raw = bytes(top)
    everything = bytes(byte for byte in range(1, 256) if byte != ord("/"))
    for name in [bytes([byte]) for byte in everything if byte != ord(".")] + [everything[:250], everything[4:], b"..."]:
        with open(raw + b"/" + name, "wb") as stream:  # noqa: PTH123
            stream.write(name)
    os.symlink(everything, raw + b"/link")
    os.mkdir(raw + b"/new\nline\n")
    os.link(raw + b"/\xff", raw + b"/new\nline\n/\xff\n")
    os.mkfifo(raw + b"/ leading and trailing ")
    archive = round_trip(top)
    by_python = set()
    with tarfile.open(archive, "r|*", errors="surrogateescape") as tar:
        by_python = {os.fsencode(member.name) for member in tar}
    assert by_python - {b".", b".upkeep/manifest.jsonl"} == set(listing(top))


@pytest.mark.parametrize("length", [100, 101, 155, 156, 255, 256, 257, 1000, 4000])
def test_paths_of_any_length(top, round_trip, length):
    """The whole name in the archive has `length` bytes; ustar's limits lie at 100, 155 and 256."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(str(top))
    try:
        left = length
        while left > 200:
            os.mkdir("d" * 90)
            os.chdir("d" * 90)
            left -= 91
        put_here = "f" * left
        with open(put_here, "wb") as stream:  # noqa: PTH123
            stream.write(b"deep")
        os.symlink("t" * min(length, 4000), "link")
        os.link(put_here, "hard")
        os.mkfifo("fifo")
    finally:
        os.fchdir(here)
        os.close(here)
    round_trip(top)
    assert max(map(len, listing(top))) >= length


def test_a_tree_of_three_hundred_levels(tmp_path, top, round_trip):
    here = os.open(".", os.O_RDONLY)
    os.chdir(str(top))
    for level in range(300):
        os.mkdir(f"level-{level}")
        os.chdir(f"level-{level}")
    with open("leaf", "wb") as stream:  # noqa: PTH123
        stream.write(b"leaf")
    os.fchdir(here)
    os.close(here)
    round_trip(top)
    for name in ("top", "there", "restored"):  # deeper than rmtree's recursion goes
        subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)


TIMES = [0, 1, -1, 999_999_999, -999_999_999, 1_000_000_000, -1_500_000_000, 1_234_567_890_123_456_789, -2**31 * 10**9,
         (2**31) * 10**9 + 1, (2**33) * 10**9 + 5, (2**33 + 2**32) * 10**9]  # fmt: skip


def test_times_to_the_nanosecond_on_both_sides_of_the_epoch(top, round_trip):
    for number, moment in enumerate(TIMES):
        path = put(top / f"f{number}")
        os.utime(path, ns=(0, moment))
        os.symlink("f0", str(top / f"l{number}"))
        os.utime(str(top / f"l{number}"), ns=(0, moment), follow_symlinks=False)
        (top / f"d{number}").mkdir()
        os.utime(str(top / f"d{number}"), ns=(0, moment))
    kept = {os.lstat(str(top / f"f{number}")).st_mtime_ns for number in range(len(TIMES))}
    assert len(kept) > 8 and min(kept) < 0  # the file system may cut the furthest ones
    round_trip(top)


@AS_ROOT
def test_owners_modes_and_types(top, round_trip):
    for number, owner in enumerate([0, 1, 1 << 21, (1 << 21) - 1, (1 << 31) + 1, (1 << 32) - 2]):
        for kind, path in (
            ("f", put(top / f"f{number}")),
            ("l", str(top / f"l{number}")),
            ("d", str(top / f"d{number}")),
        ):
            if kind == "l":
                os.symlink("nowhere", path)
            elif kind == "d":
                os.mkdir(path)
            os.chown(path, owner, (1 << 32) - 2 - owner, follow_symlinks=False)
    for mode in (0, 0o1, 0o777, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777):
        path = put(top / f"mode-{mode:o}")
        os.chown(path, 1234, 5678)
        os.chmod(path, mode)
        (top / f"folder-{mode:o}").mkdir()
        os.chown(str(top / f"folder-{mode:o}"), 1234, 5678)
        os.chmod(str(top / f"folder-{mode:o}"), mode)
    os.mkfifo(str(top / "fifo"), 0o640)
    for name, kind, number in (("char", stat.S_IFCHR, (1, 3)), ("block", stat.S_IFBLK, (7, 1_000_000)),
                               ("large", stat.S_IFCHR, (4095, (1 << 20) - 1))):  # fmt: skip
        try:
            os.mknod(str(top / name), kind | 0o660, os.makedev(*number))
        except PermissionError:
            pytest.skip("this environment forbids device nodes")
        os.link(str(top / name), str(top / (name + "-again")))
    round_trip(top)


def test_links(top, round_trip):
    for name, target in (("absolute", "/etc/passwd"), ("dangling", "no/such/thing"), ("up", "../../.."),
                         ("self", "self"),
                         ("dot", "."), ("bytes", b"\xff\n\x01"), ("long", "x" * 4000), ("space", " ")):  # fmt: skip
        os.symlink(target, str(top / name) if isinstance(target, str) else bytes(top / name))
    (top / "b").mkdir()
    put(top / "b" / "first")
    for name in ("a", "b/x", "z"):
        os.link(str(top / "b" / "first"), str(top / name))
    os.link(str(top / "absolute"), str(top / "absolute-again"), follow_symlinks=False)
    round_trip(top)


def test_files_with_holes_keep_them(top, round_trip):
    step = 1 << 20
    shapes = {"none": ([(0, 100)], 100), "only": ([], 5 * step), "front": ([(3 * step, 4096)], 3 * step + 4096),
              "behind": ([(0, 4096)], 4 * step), "both": ([(step, 8192)], 3 * step),
              "many": ([(n * 65536, 4096) for n in range(60)], 60 * 65536),
              "tiny": ([], 1), "odd": ([], step + 17)}  # fmt: skip
    for name, (regions, size) in shapes.items():
        with open(str(top / name), "wb") as stream:  # noqa: PTH123
            for offset, length in regions:
                stream.seek(offset)
                stream.write(os.urandom(length))
            stream.truncate(size)
    os.link(str(top / "many"), str(top / "many-again"))
    if os.stat(str(top / "only")).st_blocks:
        pytest.skip("this file system makes no holes")
    round_trip(top)  # it compares where the kernel sees data


ACL = struct.Struct("<HHI")


def acl(*entries):
    """A POSIX ACL as the kernel keeps it, of (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(ACL.pack(*one) for one in entries)


ACCESS = acl((1, 7, 0xFFFFFFFF), (2, 6, 1000), (2, 4, 3_000_000_000), (4, 5, 0xFFFFFFFF), (8, 0, 1234),
             (16, 7, 0xFFFFFFFF), (32, 4, 0xFFFFFFFF))  # fmt: skip
CAPABILITY_2 = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
CAPABILITY_3 = struct.pack("<IIIIII", 0x03000001, 1 << 10, 1 << 12, 0, 0, 100_000)


@AS_ROOT
def test_attributes_acls_and_capabilities(top, round_trip):
    path = put(top / "file")
    (top / "folder").mkdir()
    os.symlink("file", str(top / "link"))
    os.mkfifo(str(top / "fifo"))
    wanted = [
        (path, "user.empty", b""), (path, "user.binary", bytes(range(256))), (path, "user.a=b%c\n", b"=%\n"),
        (path, "user.\u00e4", "\u00e4".encode()), (path, "trusted.mine", b"\0"), (path, "user.large", b"v" * 2000),
        (str(top / "folder"), "user.note", b"n"), (str(top / "folder"), "trusted.note", b"n"),
        (str(top / "folder"), "system.posix_acl_access", ACCESS),
        (str(top / "folder"), "system.posix_acl_default", ACCESS),
        (path, "system.posix_acl_access", ACCESS), (path, "security.capability", CAPABILITY_2),
        (put(top / "rooted"), "security.capability", CAPABILITY_3),
        (str(top / "link"), "trusted.of-a-link", b"l"), (str(top / "fifo"), "trusted.of-a-fifo", b"f"),
    ]  # fmt: skip
    for target, name, value in wanted:
        try:
            os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            pytest.skip(f"{name}: this file system does not take it ({error.strerror})")
    put(top / "folder" / "inherits")
    os.link(path, str(top / "zz-hard"))
    seen = listing(top)
    assert "system.posix_acl_access" in seen[b"folder/inherits"]["xattrs"]
    for target, name, value in wanted:
        assert seen[os.fsencode(os.path.basename(target))]["xattrs"][name] == value
    round_trip(top)


@AS_ROOT
def test_an_attribute_as_large_as_they_come(tmp_path, round_trip):
    """64 KiB, on the one file system at hand that takes it."""
    place = tmp_path / "memory"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        (place / "top").mkdir()
        path = put(place / "top" / "file")
        try:
            os.setxattr(path, "user.large", os.urandom(65536))
        except OSError:
            pytest.skip("this kernel's tmpfs takes no such attribute")
        data = backup.run(backup.Request("set", ["."], str(tmp_path / "a.tar.gz"), root=str(place / "top")))["data"]
        request = restore.Request(data["archive"], mode="extract", dest=str(place / "there"), keep=True)
        assert restore.run(request).document["status"] == "ok"
        assert os.getxattr(str(place / "there" / "file"), "user.large") == os.getxattr(path, "user.large")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_what_is_restored_inherits_nothing(tmp_path, top, back_up, restore_test):
    """A default ACL, and a setgid folder, above the scratch folder and the destination."""
    put(top / "file")
    (top / "sub").mkdir()
    put(top / "sub" / "file")
    before = listing(top)
    archive = back_up(top)["data"]["archive"]
    above = tmp_path / "above"
    above.mkdir()
    os.chmod(str(above), 0o2777)
    try:
        os.setxattr(str(above), "system.posix_acl_default", ACCESS)
    except OSError:
        pytest.skip("this file system has no ACLs")
    result = restore_test(archive, mode="extract", dest=str(above / "there"), keep=True)
    assert result.failure is None, result.failure
    assert listing(above / "there", (b".upkeep-restore",)) == before
    (above / "made").mkdir()
    for name in ("made", "missing"):
        assert restore_in_place.run(restore_in_place.Request(archive, dest=str(above / name))).failure is None
        assert listing(above / name) == before


@AS_ROOT
def test_what_an_ordinary_user_cannot_do_is_listed(open_dir, as_nobody, tmp_path, back_up):
    """Owners, devices, capabilities and trusted attributes: not restored, and said so, one by one."""
    top = tmp_path / "top"
    top.mkdir()
    os.chown(put(top / "owned"), 1000, 1000)
    os.chmod(str(top / "owned"), 0o6755)
    os.setxattr(put(top / "capable"), "security.capability", CAPABILITY_2)
    os.setxattr(put(top / "trusted"), "trusted.mine", b"t")
    try:
        os.mknod(str(top / "null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this environment forbids device nodes")
    archive = back_up(top)["data"]["archive"]
    for name in (archive, archive + manifest.SUFFIX):
        shutil.copy(name, str(open_dir))
        os.chmod(str(open_dir / os.path.basename(name)), 0o644)
    copy = str(open_dir / os.path.basename(archive))

    def drill():
        return restore.run(restore.Request(copy, mode="extract", dest=str(open_dir / "s"), devices=True)).document

    def bring_back():
        request = restore_in_place.Request(copy, dest=str(open_dir / "here"), devices=True)
        return restore_in_place.run(request).document

    drilled, brought = as_nobody(drill), as_nobody(bring_back)
    assert drilled["status"] == "ok"
    assert {item["what"] for item in drilled["not_checked"]} == {
        ".", "owner and group of every entry", "null", "attribute security.capability", "attribute trusted.mine",
    }  # fmt: skip
    assert [item["path"] for item in brought["failed"]] == ["null"]
    said = {item["what"] for item in brought["not_restored"]}
    assert {"owner and group of every entry", "attribute security.capability", "attribute trusted.mine"} <= said
    # A program that was setuid for its owner is not made setuid for whoever restores it.
    assert "attribute setuid or setgid" in said
    assert stat.S_IMODE(os.stat(str(open_dir / "here" / "owned")).st_mode) == 0o755
    again = as_nobody(bring_back)
    assert "owned" in again["unchanged"] and "owned" not in again["replaced"]


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_stock_programs_see_the_same_tree(top, tmp_path, back_up, program):
    """Names, types, contents, links, holes and owners; times in whole seconds, which is what they are sure to see."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    raw = bytes(top)
    for name in (b"\xff\xfe", b"new\nline", b" ", b"n" * 250, b"-rf"):
        with open(raw + b"/" + name, "wb") as stream:  # noqa: PTH123
            stream.write(name)
    os.symlink(b"\xff/" * 60, raw + b"/link")
    os.link(raw + b"/\xff\xfe", raw + b"/hard")
    os.mkfifo(raw + b"/fifo")
    if ROOT:
        os.chown(raw + b"/new\nline", (1 << 32) - 2, 1 << 21)
    with open(raw + b"/holes", "wb") as stream:  # noqa: PTH123
        stream.seek(1 << 20)
        stream.write(b"data")
        stream.truncate(3 << 20)
    for number, moment in enumerate((-5, 0, 2**31 + 5, 2**33)):
        put(top / f"time-{number}")
        os.utime(str(top / f"time-{number}"), (0, moment))
    os.chmod(put(top / "setuid"), 0o6755)
    archive = back_up(top)["data"]["archive"]
    there = tmp_path / "stock"
    there.mkdir()
    extra = ["--warning=no-timestamp"] if program == "tar" else []
    subprocess.run([program, "-xpf", archive, "-C", str(there), *extra], check=True)
    expected, found = listing(top), listing(there, (b".upkeep",))
    for facts in (*expected.values(), *found.values()):
        facts["mtime_ns"] //= 1_000_000_000
        facts.pop("data", None)
        facts.pop("xattrs")
    assert found == expected
    assert os.stat(str(there / "holes")).st_blocks * 512 < 1 << 20
