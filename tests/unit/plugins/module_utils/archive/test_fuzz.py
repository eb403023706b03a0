# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Random damage and random malice, a bounded dose of each: found or refused in one sentence, and nothing else touched.

UPKEEP_TESTS_EXHAUSTIVE=1 takes twenty times as much.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import tempfile

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import (
    _lines,
    embedded,
    gz,
    manifest,
    model,
    plain,
    restore,
    restore_in_place,
    zst,
)
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.forge import changed, entry, file, folder, forge, hard, link, listing

DOSE = 20 if os.environ.get("UPKEEP_TESTS_EXHAUSTIVE") else 1
BOUNDED = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


# -- damage -----------------------------------------------------------------------------------------------------------


def flip(good, chance):
    at = chance.randrange(len(good))
    return good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :]


def cut(good, chance):
    return good[: chance.randrange(len(good))]


def insert(good, chance):
    at = chance.randrange(len(good) + 1)
    return good[:at] + bytes(chance.getrandbits(8) for _byte in range(chance.choice([1, 7, 512]))) + good[at:]


def delete(good, chance):
    at = chance.randrange(len(good))
    return good[:at] + good[at + chance.choice([1, 8, 512]) :]


def swap(good, chance):
    size = chance.choice([64, 512])
    one, other = sorted(chance.sample(range(0, len(good) - size, size), 2))
    middle = good[one + size : other]
    return good[:one] + good[other : other + size] + middle + good[one : one + size] + good[other + size :]


def wipe(good, chance):
    at, size = chance.randrange(len(good)), chance.choice([1, 16, 512])
    return good[:at] + bytes(len(good[at : at + size])) + good[at + size :]


@pytest.fixture
def pair(tmp_path, back_up):
    """pair(dest) -> the bytes of an archive and of its manifest, and of another archive's."""
    top, noise = tmp_path / "top", random.Random(1)
    (top / "sub").mkdir(parents=True)
    for number in range(6):
        (top / "sub" / f"f{number}").write_bytes(bytes(noise.getrandbits(8) for _byte in range(1200)))
    (top / "text").write_text("text\n" * 300)
    os.link(str(top / "text"), str(top / "zz"))
    (top / "big").write_bytes(bytes(1_200_000))

    def make(dest):
        if dest.endswith("zst") and zst.unavailable():
            pytest.skip(zst.unavailable())
        made = []
        for text in ("text\n", "other\n"):
            (top / "text").write_text(text * 300)
            data = back_up(top, dest)["data"]
            for name in ("archive", "manifest"):
                with open(data[name], "rb") as stream:  # noqa: PTH123
                    made.append(stream.read())
        return made

    return make


@pytest.mark.long
@pytest.mark.long
@pytest.mark.parametrize("dest", ["a.tar.gz", "a.tar.zst", "a.tar"])
def test_random_damage_is_always_found(pair, tmp_path, restore_test, dest):
    archive, beside, other, others = pair(dest)
    chance = random.Random(dest)
    path = tmp_path / ("t-" + dest)
    for _number in range(60 * DOSE):
        harm = chance.choice([flip, flip, cut, insert, delete, swap, wipe])
        now, its = chance.choice([
            (harm(archive, chance), beside),
            (archive, harm(beside, chance)),
            (harm(archive, chance), harm(beside, chance)),
            (harm(other, chance), beside),
            (other, beside),
            (archive, others),
        ])  # fmt: skip
        if (now, its) == (archive, beside):
            continue
        path.write_bytes(now)
        (tmp_path / (path.name + manifest.SUFFIX)).write_bytes(its)
        result = restore_test(path, threads=1)
        assert result.failure is not None, harm.__name__
        assert result.failure.code in ("archive_damaged", "manifest_damaged", "manifest_mismatch", "archive_unreadable")
        assert "\n" not in result.failure.message and len(result.failure.message) < 600
        if result.failure.code == "archive_damaged":  # the entry is named, or the damage lies behind all of them
            lost = result.document["entries_expected"] - result.document["entries_verified"]
            assert lost <= len(result.document["damage"]) and (lost or "intact" in result.failure.message)


# -- malice -----------------------------------------------------------------------------------------------------------

PATHS = [
    b"a", b"a/b", b"a/b/c", b"b", b"B", b"..", b"../x", b"/x", b".", b"a/..", b"\xff", b"a\nb", b"x" * 101, b"",
    b"a//b", b"y/" * 90 + b"z", model.EMBEDDED_NAME, b".upkeep-restore", b".upkeep-restoring", b".upkeep-restoring/x",
]  # fmt: skip
VALUES = [
    None, -1, 0, 1, 1.5, True, "", "a", "..", "/", "\ud800", "\udcff", [], {}, [[0, 1]], [[0, 1 << 62]], 1 << 31,
    1 << 32, 1 << 63, 1 << 64, 10**30, -(1 << 63), "0777", "17777", "x" * 5000, "file", "dir", "symlink", "hardlink",
    "char", "socket", "stable", "changed", "vanished", "unreadable", [1, 3], [1 << 21, 0], {"user.a": "AA=="},
    {"user.a": "!"},
    {"system.posix_acl_access": "AgAAAA=="}, {"security.capability": "AQAAAg=="},
]  # fmt: skip
FIELDS = [
    "path", "type", "size", "mode", "uid", "gid", "user", "group", "mtime_ns", "link", "leader", "rdev", "xattrs",
    "sparse", "sha256", "sha256_of", "offset", "state",
]  # fmt: skip
ENTRIES = st.one_of(
    st.builds(file, st.sampled_from(PATHS), st.binary(max_size=2000)),
    st.builds(folder, st.sampled_from(PATHS)),
    st.builds(link, st.sampled_from(PATHS), st.sampled_from([b"..", b"/", b"a", b"x" * 4096, b"../victim/file"])),
    st.builds(hard, st.sampled_from(PATHS), st.sampled_from(PATHS)),
    st.builds(lambda path: (entry(path, "fifo"), b""), st.sampled_from(PATHS)),
    st.builds(lambda path: (entry(path, "block", rdev=(7, 200)), b""), st.sampled_from(PATHS)),
)
LIES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=2)


@pytest.mark.long
@settings(max_examples=80 * DOSE, **BOUNDED)
@given(st.lists(ENTRIES, min_size=1, max_size=4), st.lists(LIES, min_size=4, max_size=4), st.sampled_from([gz, plain]),
       st.booleans(), st.booleans())  # fmt: skip
def test_random_malice_stays_inside(entries, lies, codec, in_order, beside):
    if in_order:
        entries = sorted(entries, key=lambda one: model.order(one[0].path))
    place = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        os.mkdir(place + "/victim")
        with open(place + "/victim/file", "w") as stream:  # noqa: PTH123
            stream.write("precious")
        os.mkdir(place + "/dest")
        os.symlink("../victim", place + "/dest/a")
        left = iter(lies)
        try:
            archive = forge(
                place + "/evil", entries, lambda one: changed(_lines.entry_line(one), **next(left)), codec=codec
            )
        except ValueError:
            return  # no such header can be written
        if not beside:
            os.unlink(archive + manifest.SUFFIX)
        ours = ("dest", "scratch", "evil", "evil" + manifest.SUFFIX)
        before = listing(place, ours)
        requests = [
            (restore, restore.Request(archive, mode="extract", dest=place + "/scratch", threads=1)),
            (restore_in_place, restore_in_place.Request(archive, dest=place + "/dest", overwrite="always")),
        ]
        for module, request in requests:
            try:
                result = module.run(request)
                json.dumps(result.document)
                failure = result.failure
            except UpkeepError as error:
                failure = error
            assert failure is None or "\n" not in failure.message
            assert listing(place, ours) == before
    finally:
        shutil.rmtree(place)


@settings(max_examples=100 * DOSE, **BOUNDED)
@given(st.binary(max_size=3000), st.sampled_from(["gz", "plain", "manifest", "header"]))
def test_random_bytes_are_no_archive(noise, kind):
    with tempfile.TemporaryDirectory() as place:
        path = place + "/a"
        if kind == "manifest":
            body = b'{"schema":"upkeep.manifest/1","format":1}\n' + noise + b"\n"
            noise = gz.header() + gzip.compress(body, mtime=0)[10:]
        elif kind == "gz":
            noise = gz.header() + gzip.compress(noise, mtime=0)[10:]
        elif kind == "header":
            noise = noise[:257] + b"ustar\x0000" + noise[257:]
        with open(path, "wb") as stream:  # noqa: PTH123
            stream.write(noise)
        with pytest.raises(UpkeepError) as caught:
            manifest.load(path) if kind == "manifest" else embedded.find(path, gz if kind == "gz" else plain)
        assert caught.value.code in ("manifest_damaged", "archive_unreadable") and "\n" not in caught.value.message
