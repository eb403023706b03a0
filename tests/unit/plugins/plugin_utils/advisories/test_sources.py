# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each parser over its source's form: what it says, and that damage is told and never half taken."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import registry
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.cvss import base_score
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import (
    Edition,
    Exploited,
    Feed,
    Notice,
    Score,
    Statement,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.sources import _reading
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.feeds import DSA, EPSS, FILES, KEV, SECDB, TRACKER, archive

# Slices of real feeds beside a checkout; without the folder the tests over them are skipped.
SLICES = Path(os.environ.get("UPKEEP_FEED_SLICES", "/nonexistent"))
RELEASES = ("debian:12", "ubuntu:22.04", "alpine:3.22")


def source_of(path):
    return registry.SOURCES[path.partition("/")[0]]


def parse(path, content, folder):
    file = folder / path.replace("/", "-")
    file.write_bytes(content)
    return list(source_of(path).parse(Feed("https://example.org", path), file))


def debian(vulnerability, status, release="debian:12", package="openssl", **more):
    return Statement(release, package, "source", vulnerability, status, **more)


def test_debian(tmp_path):
    assert parse("debian/tracker.json", FILES["debian/tracker.json"], tmp_path) == [
        debian("CVE-2026-22795", "fixed", fixed="3.0.18-1~deb12u2"),
        debian("CVE-2026-22795", "fixed", "debian:13", fixed="3.5.4-1~deb13u2", severity="high"),
        debian("CVE-2025-27587", "affected", deferred="no-dsa: Minor issue"),
        debian("CVE-2024-1", "affected", deferred="postponed: Minor issue"),
        debian("CVE-2024-2", "not_affected"),
        debian("CVE-2007-6755", "affected", deferred="unimportant"),
        debian("CVE-2024-3", "under_investigation"),
        debian("CVE-2024-4", "affected", severity="medium"),
        debian("TEMP-0000000-0CA7E3", "affected", package="mupdf", deferred="end-of-life"),
    ]


def test_debian_notices(tmp_path):
    named = ("CVE-2025-15467", "CVE-2026-22795")
    day = "2026-01-27T00:00:00Z"
    assert parse("debian/DSA.list", FILES["debian/DSA.list"], tmp_path) == [
        Notice("DSA-6113-1", day, "debian:12", "openssl", "3.0.18-1~deb12u2", named),
        Notice("DSA-6113-1", day, "debian:13", "openssl", "3.5.4-1~deb13u2", named),
    ]
    (regression,) = parse("debian/DLA.list", FILES["debian/DLA.list"], tmp_path)
    assert (regression.advisory, regression.fixed, regression.vulnerabilities) == ("DLA-4000-2", None, ())


def ubuntu(release, status, vulnerability="CVE-2022-24823", **more):
    return Statement(release, "netty", "source", vulnerability, status, **more)


def test_ubuntu(tmp_path):
    known = {"severity": "low", "cvss": 5.5, "published": "2022-05-06T12:15:00Z"}
    assert parse("ubuntu/osv-all.tar.xz", FILES["ubuntu/osv-all.tar.xz"], tmp_path) == [
        ubuntu("ubuntu:22.04", "fixed", fixed="1:4.1.48-4", **known),
        ubuntu("ubuntu:18.04", "fixed", fixed="1:4.1.7-4ubuntu0.1+esm3", subscription="esm-apps", **known),
        ubuntu("ubuntu:14.04", "fixed", fixed="1:3.2.6+esm1", subscription="pro", **known),
        ubuntu("ubuntu:25.10", "affected", **known),
        ubuntu(
            "ubuntu:24.10", "affected", "CVE-2024-51988",
            severity="low", deferred="negligible", published="2024-11-06T20:15:00Z",
        ),
        Notice("USN-7284-1", "2025-02-20T17:40:04Z", "ubuntu:22.04", "netty", "1:4.1.48-4", ("CVE-2022-24823",)),
        Edition("2026-06-01T00:00:00Z"),
    ]  # fmt: skip


def test_alpine(tmp_path):
    def said(package, vulnerability, fixed):
        status = "fixed" if fixed else "not_affected"
        return Statement("alpine:3.22", package, "source", vulnerability, status, fixed=fixed)

    assert parse("alpine/v3.22/main.json", FILES["alpine/v3.22/main.json"], tmp_path) == [
        said("xen", "CVE-2016-7093", "4.7.0-r0"),
        said("xen", "XSA-248", "4.7.0-r0"),
        said("xen", "CVE-2020-0001", None),
        said("tcpdump", "CVE-2018-14462", "4.9.3-r0"),
    ]
    assert [feed.path for feed in registry.SOURCES["alpine"].feeds(("alpine:3.22", "debian:12"))] == [
        "alpine/v3.22/main.json",
        "alpine/v3.22/community.json",
    ]
    with pytest.raises(UpkeepError) as caught:
        registry.SOURCES["alpine"].feeds(("debian:12",))
    assert caught.value.code == "releases_needed"


def test_kev(tmp_path):
    assert parse("kev/known_exploited_vulnerabilities.json", json.dumps(KEV).encode(), tmp_path) == [
        Edition("2026-11-20T17:04:19Z"),
        Exploited("CVE-2026-22795", "2026-02-01T00:00:00Z", "2026-02-22T00:00:00Z", True, "A flaw"),
        Exploited("CVE-2020-5902", "2021-11-03T00:00:00Z"),
    ]


def test_epss(tmp_path):
    scored = "2026-11-22T12:55:00Z"
    assert parse("epss/epss_scores-current.csv.gz", FILES["epss/epss_scores-current.csv.gz"], tmp_path) == [
        Edition(scored),
        Score("CVE-2026-22795", 0.97567, 0.99995, scored),
        Score("CVE-2020-5902", 0.00113, 0.43131, scored),
    ]


def changed(document, *path, to):
    """A copy of a JSON document with one value changed."""
    copy = json.loads(json.dumps(document))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(copy).encode()


RELEASE = ("openssl", "CVE-2026-22795", "releases", "bookworm")
DAMAGED = {
    "debian: no object": ("debian/tracker.json", b"[]"),
    "debian: a web page": ("debian/tracker.json", b"<html>"),
    "debian: empty": ("debian/tracker.json", b""),
    "debian: two documents": ("debian/tracker.json", b"{}{}"),
    "debian: a package is a list": ("debian/tracker.json", b'{"openssl": []}'),
    "debian: no releases": ("debian/tracker.json", changed(TRACKER, "openssl", "CVE-2026-22795", to={})),
    "debian: another status": ("debian/tracker.json", changed(TRACKER, *RELEASE, "status", to="cured")),
    "debian: no version": ("debian/tracker.json", changed(TRACKER, *RELEASE, "fixed_version", to=None)),
    "debian: not UTF-8": ("debian/tracker.json", FILES["debian/tracker.json"].replace(b"a flaw", b"a \xff")),
    "DSA: something else": ("debian/DSA.list", b"hello\n"),
    "DSA: no such day": ("debian/DSA.list", DSA.replace("27 Jan 2026", "32 Jan 2026").encode()),
    "DSA: no such month": ("debian/DSA.list", DSA.replace("27 Jan 2026", "27 Foo 2026").encode()),
    "ubuntu: no archive": ("ubuntu/osv-all.tar.xz", b"\xfd7zXZ\x00 and then nothing"),
    "ubuntu: empty": ("ubuntu/osv-all.tar.xz", archive({})),
    "ubuntu: a record without time": ("ubuntu/osv-all.tar.xz", archive({"a.json": {"id": "USN-1-1"}})),
    "alpine: no packages": ("alpine/v3.22/main.json", b'{"distroversion": "v3.22"}'),
    "alpine: a package without name": ("alpine/v3.22/main.json", changed(SECDB, "packages", 0, "pkg", "name", to=3)),
    "kev: counts more": ("kev/known_exploited_vulnerabilities.json", changed(KEV, "count", to=9)),
    "kev: no time": ("kev/known_exploited_vulnerabilities.json", changed(KEV, "dateReleased", to=None)),
    "kev: no CVE": ("kev/known_exploited_vulnerabilities.json", changed(KEV, "vulnerabilities", 0, "cveID", to="x")),
    "epss: no header": ("epss/epss.csv", b"CVE-2020-5902,0.1,0.2\n"),
    "epss: more than certain": ("epss/epss.csv", EPSS.replace("0.97567", "1.97567").encode()),
    "epss: no number": ("epss/epss.csv", EPSS.replace("0.97567", "").encode()),
    "epss: a line is cut": ("epss/epss.csv", EPSS[: EPSS.rindex(",")].encode()),
}


@pytest.mark.parametrize(("path", "content"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_told_with_source_and_file(tmp_path, path, content):
    with pytest.raises(UpkeepError) as caught:
        parse(path, content, tmp_path)
    assert caught.value.code == "feed_damaged"
    assert caught.value.message.startswith(f"{source_of(path).name}: ") and str(tmp_path) in caught.value.message


@pytest.mark.parametrize("path", [path for path in FILES if path != "debian/DLA.list"])
def test_a_file_that_is_cut_anywhere_is_damaged(tmp_path, path):
    """The lists of advisories are plain lines: a cut there is for the fetch to see."""
    content = FILES[path]
    cuts = range(0, len(content) - 1, 7) if not path.endswith((".list", ".csv")) else [0]
    for cut in cuts:
        with pytest.raises(UpkeepError) as caught:
            parse(path, content[:cut], tmp_path)
        assert caught.value.code == "feed_damaged"


@settings(max_examples=60, deadline=None)
@given(path=some.sampled_from(sorted(FILES)), place=some.integers(0, 10_000), bits=some.integers(1, 255))
def test_a_flipped_byte_gives_rows_or_damage_and_nothing_else(tmp_path_factory, path, place, bits):
    content = bytearray(FILES[path])
    content[place % len(content)] ^= bits
    try:
        parse(path, bytes(content), tmp_path_factory.getbasetemp())
    except UpkeepError as error:
        assert error.code == "feed_damaged"


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    document=some.dictionaries(some.text(max_size=5), JSON, max_size=6),
    block=some.integers(1, 40),
    indent=some.sampled_from([None, 1]),
)
def test_streamed_members_are_those_of_the_whole(monkeypatch_block, document, block, indent):
    monkeypatch_block(block)
    content = json.dumps(document, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        content.decode()
    except UnicodeDecodeError:
        return
    assert dict(_reading.members(io.BytesIO(content))) == document


@pytest.fixture(scope="module")
def monkeypatch_block():
    """Sets how much is read at a time."""
    before = _reading._BLOCK

    def set_to(size):
        _reading._BLOCK = size

    yield set_to
    _reading._BLOCK = before


@pytest.mark.parametrize("path", ["debian/tracker.json", "alpine/v3.22/main.json", "kev/kev.json"])
@settings(max_examples=40, deadline=None)
@given(document=JSON)
def test_any_json_gives_rows_or_damage_and_nothing_else(tmp_path_factory, path, document):
    try:
        parse(path, json.dumps(document).encode(), tmp_path_factory.getbasetemp())
    except UpkeepError as error:
        assert error.code == "feed_damaged"


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        # Of FIRST's own examples for CVSS v3.1.
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.1),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:L", None),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("", None),
    ],
)
def test_cvss(vector, score):
    assert base_score(vector) == score


def test_a_source_by_name():
    assert [source.name for source in registry.named(["kev", "debian", "kev"])] == ["kev", "debian"]
    assert {source.name for source in registry.speaking_of({"ubuntu"})} == {"ubuntu", "kev", "epss"}
    with pytest.raises(UpkeepError, match="there is no redhat7; there are debian") as caught:
        registry.named(["redhat7"])
    assert caught.value.code == "no_such_source"


@pytest.mark.parametrize("source", registry.SOURCES.values(), ids=lambda source: source.name)
def test_the_docs_name_every_file_of_every_source(source):
    text = (Path(__file__).resolve().parents[5] / "docs/advisories.md").read_text()
    for feed in source.feeds(
        ("debian:12", "ubuntu:22.04", "alpine:3.22", "rhel:9", "almalinux:9", "rocky:9", "sles:15.6")
    ):
        assert f"`{feed.path}`" in text and feed.url in text and f"`{source.name}`" in text


@pytest.mark.parametrize(
    ("path", "slice_", "at_least"),
    [
        ("debian/tracker.json", "debian/tracker-data.json.gz", 8000),
        ("debian/DSA.list", "debian/DSA-list.txt.gz", 2600),
        ("debian/DLA.list", "debian/DLA-list.txt.gz", 2000),
        ("kev/kev.json", "cisa-kev/known_exploited_vulnerabilities.json.gz", 1404),
        ("epss/epss.csv", "epss/epss_scores-kev-subset.csv.gz", 1500),
        ("alpine/v3.11/main.json", "alpine-secdb/v3.11/main.json", 1200),
    ],
)
def test_slices_of_real_feeds(path, slice_, at_least):
    file = SLICES / slice_
    if not file.exists():
        pytest.skip("no slices of feeds here: UPKEEP_FEED_SLICES names their folder")
    assert len(list(source_of(path).parse(Feed("https://example.org", path), file))) >= at_least
