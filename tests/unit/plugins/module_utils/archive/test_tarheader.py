# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Header bytes as Python's own tar reader understands them."""

from __future__ import annotations

import io
import tarfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _acl, _crc, _tarheader, model
from hypothesis import given
from hypothesis import strategies as st


def entry(path=b"a", type="file", **more):
    facts = dict(mode=0o644, uid=1, gid=2, user="u", group="g", mtime_ns=1_000_000_000)
    facts.update(more)
    return model.Entry(path, type, **facts)


def read(e, content=b""):
    raw = _tarheader.header(e) + content + bytes(model.padding(len(content))) + model.END_OF_TAR
    with tarfile.open(fileobj=io.BytesIO(raw), errors="surrogateescape") as tar:
        return tar.next()


@pytest.mark.parametrize(
    "path",
    [
        b"a",
        b"n" * 100,
        b"n" * 101,
        b"d" * 155 + b"/" + b"n" * 100,
        b"d" * 156 + b"/" + b"n" * 100,
        b"d/" * 127 + b"n",
        b"/".join([b"x" * 200] * 20),
        b"\xff\xfe",
        b"\xff" * 300,
        "\u00e4".encode() * 100,
    ],
)
@pytest.mark.parametrize("type", ["file", "dir"])
def test_names_of_any_length_and_bytes(path, type):
    assert model.raw(read(entry(path, type)).name) == path


@pytest.mark.parametrize(
    "field, value",
    [
        ("uid", 2097151),
        ("uid", 2097152),
        ("gid", 4294967294),
        ("mode", 0o7777),
        ("user", "\u00e4" * 40),
    ],
)
def test_fields(field, value):
    member = read(entry(**{field: value}))
    assert getattr(member, {"user": "uname"}.get(field, field)) == value


@pytest.mark.parametrize(
    "mtime_ns, seconds",
    [
        (0, 0),
        (1_500_000_000, 1),
        (-1_500_000_000, -1.5),
        (-1, -1e-9),
        (8**11 * 10**9, 8**11),
        (123_999_999_999, 123),
    ],
)
def test_times_before_1970_and_in_whole_seconds(mtime_ns, seconds):
    assert read(entry(mtime_ns=mtime_ns)).mtime == pytest.approx(seconds, abs=1e-9)


def test_a_time_below_a_second_costs_no_pax_header():
    assert len(_tarheader.header(entry(mtime_ns=1_500_000_001))) == 512


def test_a_size_beyond_ustar():
    assert read(entry(size=1 << 40)).size == 1 << 40


def test_links():
    assert read(entry(type="symlink", link=b"t" * 300)).linkname == "t" * 300
    assert read(entry(type="hardlink", leader=b"first")).islnk()


def test_devices():
    member = read(entry(type="char", rdev=(5, 1)))
    assert (member.ischr(), member.devmajor, member.devminor) == (True, 5, 1)


def test_attributes_are_pax_records():
    member = read(entry(xattrs={"user.a=b": b"v", "security.capability": b"\0\1\xff"}))
    assert member.pax_headers["SCHILY.xattr.user.a%3Db"] == "v"
    assert model.raw(member.pax_headers["SCHILY.xattr.security.capability"]) == b"\0\1\xff"


def test_sparse_files_are_gnu_1_0():
    e = entry(b"dir/s", size=1000, sparse=[(100, 6)])
    raw = _tarheader.header(e) + b"middle" + bytes(506) + model.END_OF_TAR
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        member = tar.next()
        assert (member.name, member.size) == ("dir/s", 1000)
        assert tar.extractfile(member).read() == bytes(100) + b"middle" + bytes(894)


@given(
    st.binary(min_size=1, max_size=400).filter(lambda p: b"\0" not in p and b"/" not in p), st.integers(0, 2**32 - 2)
)
def test_any_name_and_owner(path, uid):
    member = read(entry(path, uid=uid))
    assert (model.raw(member.name), member.uid) == (path, uid)


@given(st.binary(max_size=50), st.binary(max_size=5000))
def test_crc_of_two_parts(first, second):
    import zlib

    assert _crc.combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_acl_text():
    import struct

    value = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, perm, number)
        for tag, perm, number in (
            (1, 6, -1 & 0xFFFFFFFF),
            (2, 4, 1000),
            (4, 5, -1 & 0xFFFFFFFF),
            (0x10, 7, 0),
            (0x20, 0, 0),
        )
    )
    assert _acl.to_text(value) == b"user::rw-,user:1000:r--,group::r-x,mask::rwx,other::---"
    assert _acl.to_text(b"junk") is None
