# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The index: what goes in comes out, a load that fails leaves what was there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import releases
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited, Notice, Score, Statement

ROWS = [
    Statement("debian:12", "openssl", "source", "CVE-2026-1", "fixed", fixed="3.0.17-1~deb12u1", severity="high"),
    Statement("debian:12", "openssl", "source", "CVE-2026-2", "affected", deferred="no-dsa"),
    Statement("debian:13", "openssl", "source", "CVE-2026-1", "not_affected"),
    Notice("DSA-9-1", "2026-01-02T00:00:00Z", "debian:12", "openssl", "3.0.17-1~deb12u1", ("CVE-2026-1",)),
    Exploited("CVE-2026-1", "2026-01-03T00:00:00Z", ransomware=True),
    Score("CVE-2026-1", 0.5, 0.99),
]


@pytest.fixture
def index(tmp_path):
    with Index.open(tmp_path / "state/advisories.db", create=True) as opened:
        yield opened


def load(index, rows, source="debian"):
    with index.replacing(source, "Debian", ["debian"], 86400) as loading:
        loading.add(rows)


def test_what_goes_in_comes_out(index):
    load(index, ROWS)
    dated = replace(ROWS[0], advisory="DSA-9-1", advisory_published="2026-01-02T00:00:00Z")
    assert index.statements("debian:12", "openssl") == [dated, ROWS[1]]
    assert index.statements("debian:12", "openssl", "binary") == []
    assert index.notices("debian:12", "openssl") == [ROWS[3]]
    assert index.exploited(["CVE-2026-1", "CVE-2026-2"]) == {"CVE-2026-1": ROWS[4]}
    assert index.scores(f"CVE-2026-{number}" for number in range(2000)) == {"CVE-2026-1": ROWS[5]}
    assert index.releases() == {"debian:12", "debian:13"}
    (source,) = index.sources()
    assert (source.name, source.rows, source.error, source.is_stale(times.now())) == ("debian", 6, None, False)


def test_a_load_that_fails_leaves_the_old_rows(index):
    load(index, ROWS)
    generation = index.generation
    with pytest.raises(ZeroDivisionError), index.replacing("debian", "Debian", ["debian"], 86400) as loading:
        loading.add(ROWS[:1])
        raise ZeroDivisionError
    index.failed("debian", "Debian", ["debian"], 86400, "no answer")
    assert len(index.statements("debian:12", "openssl")) == 2 and index.generation == generation
    assert [source.error for source in index.sources()] == ["no answer"]
    index.confirmed("debian")
    assert [source.error for source in index.sources()] == [None]


def test_a_source_never_fetched_is_stale(index):
    index.failed("ubuntu", "Ubuntu", ["ubuntu"], 86400, "no answer")
    (source,) = index.sources()
    assert source.is_stale(times.now()) and source.rows == 0


def test_a_source_of_tomorrow_is_doubtful(index):
    load(index, ROWS)
    index._connection.execute("UPDATE source SET checked_at = '2099-01-01T00:00:00Z'")
    assert index.sources()[0].is_stale(times.now())


def test_sources_are_replaced_apart(index):
    load(index, ROWS)
    load(index, [Statement("alpine:3.19", "musl", "source", "CVE-2026-3", "fixed", fixed="1.2.4-r1")], "alpine")
    generation = index.generation
    load(index, ROWS[:1])
    assert index.generation != generation
    assert len(index.statements("debian:12", "openssl")) == 1 and len(index.statements("alpine:3.19", "musl")) == 1
    assert index.exploited(["CVE-2026-1"]) == {}


@pytest.mark.parametrize("content, code", [(None, "index_missing"), (b"no database" * 100, "index_damaged")])
def test_no_index(tmp_path, content, code):
    path = tmp_path / "advisories.db"
    if content:
        path.write_bytes(content)
    with pytest.raises(UpkeepError) as caught:
        Index.open(path)
    assert caught.value.code == code and str(path) in caught.value.message


def test_an_index_of_another_version_is_refused(tmp_path):
    with Index.open(tmp_path / "advisories.db", create=True) as index:
        index._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UpkeepError) as caught:
        Index.open(tmp_path / "advisories.db")
    assert caught.value.code == "index_version"


@pytest.mark.parametrize(
    "os_id, version, key, family",
    [
        ("debian", "12", "debian:12", "dpkg"),
        ("debian", None, None, None),
        ("ubuntu", "22.04", "ubuntu:22.04", "dpkg"),
        ("rhel", "9.4", "rhel:9", "rpm"),
        ("almalinux", "9.4", "almalinux:9", "rpm"),
        ("sles", "15.6", "sles:15.6", "rpm"),
        ("sles_sap", "15.6", "sles:15.6", "rpm"),
        ("sles", "15", None, None),
        ("alpine", "3.19.1", "alpine:3.19", "apk"),
        ("alpine", "3.20_alpha20240101", None, None),
        ("fedora", "41", None, None),
        (None, None, None, None),
    ],
)
def test_releases(os_id, version, key, family):
    assert releases.key(os_id, version) == key
    if key:
        assert releases.family(key) == family
