# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's health: what it cannot rely on makes it unknown, never clean."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE, Index

from tests.advisories import fill, level, package, said

NOW = times.now()
HOST = level([package("openssl", "1-1")])
ROWS = [said("openssl", "CVE-1", fixed="2-1"), said("openssl", "CVE-2", "affected", deferred="no-dsa")]


def look(home, host=HOST, now=NOW):
    return engine.look(home, host, "shop", "web1", times.iso(NOW), now)


@pytest.fixture(name="built")
def built_fixture(tmp_path):
    fill(tmp_path / FILE, ROWS)
    return tmp_path


def failed(home, name="debian"):
    with Index.open(home / FILE) as index:
        index.failed(name, name, [], 1, "404")


def test_a_healthy_one(built):
    made, found = look(built)
    assert (made["name"], made["source"], made["status"], made["reason"]) == ("advisories", "advisory", "ok", None)
    assert [each["check_id"] for each in found] == ["fixed:2-1"] and made["findings"] == 1
    assert made["deferred"] == [{"reason": "no-dsa", "package": "openssl", "cves": ["CVE-2"], "kev": []}]
    assert [(each["name"], each["stale"], each["error"]) for each in made["index"]["sources"]] == [
        ("debian", False, None),
        ("kev", False, None),
    ]
    assert made["index"]["generated"] and made["release"] == "debian:12"


def test_without_an_index_nobody_looked(tmp_path):
    made, found = look(tmp_path)
    assert (made["status"], found) == ("skipped", []) and "playbooks/advisories.yml" in made["reason"]


def flipped(home):
    """Damage in the middle, which opening the file does not see."""
    path = home / FILE
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        pages = connection.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'statement%'").fetchall()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(path.read_bytes())
    for (page,) in pages:
        content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda home: (home / FILE).write_bytes(b"no database" * 99), "index_damaged: "),
        (flipped, "index_damaged: "),
    ],
)
def test_what_failed_makes_it_unknown(built, spoil, words):
    spoil(built)
    made, _found = look(built)
    assert made["status"] == "unknown" and words in made["reason"]


def test_without_an_index_that_can_be_read_nothing_is_added_to_other_findings(built, tmp_path):
    assert engine.matched(tmp_path / "elsewhere", HOST) is None
    flipped(built)
    assert engine.matched(built, HOST) is None


def test_what_is_stale_makes_it_unknown_and_what_was_found_is_told(built):
    made, found = look(built, now=NOW + timedelta(days=2))
    assert made["status"] == "unknown" and len(found) == 1
    assert "debian is stale" in made["reason"] and "kev is stale" in made["reason"]
    made, found = look(built, {**HOST, "metadata": {"stale": True, "refreshed_at": "2026-11-01T00:00:00Z"}})
    assert made["status"] == "unknown" and len(found) == 1
    assert made["reason"] == "its package lists are stale (refreshed 2026-11-01T00:00:00Z)"


@pytest.mark.parametrize("name", ["debian", "kev"])
def test_an_attempt_that_failed_decides_nothing_while_what_is_there_is_current(built, name):
    failed(built, name)
    made, _found = look(built)
    assert (made["status"], made["reason"]) == ("ok", None)
    assert [each["error"] is None for each in made["index"]["sources"] if each["name"] == name] == [False]
    made, _found = look(built, now=NOW + timedelta(days=2))
    assert made["status"] == "unknown" and f"{name} is stale" in made["reason"]


def test_a_score_that_is_late_decides_nothing(built):
    with Index.open(built / FILE) as index, index.replacing("epss", "EPSS", (), 1):
        pass
    assert look(built, now=NOW + timedelta(hours=1))[0]["status"] == "ok"


def test_a_catalogue_that_is_not_there_is_not_an_empty_one(tmp_path):
    with Index.open(tmp_path / FILE, create=True) as index, index.replacing("debian", "D", ["debian"], 86400) as load:
        load.add(ROWS)
    made, _found = look(tmp_path)
    assert made["status"] == "unknown" and "known to be exploited" in made["reason"]


def test_a_release_that_nobody_speaks_of(built):
    made, found = look(built, level([package("openssl", "1-1")], os=("ubuntu", "24.04")))
    assert made["status"] == "unknown" and found == []
    assert "says nothing of ubuntu 24.04" in made["reason"] and "no source that speaks of ubuntu" in made["reason"]


def test_an_index_that_others_are_loading_answers(built):
    with sqlite3.connect(built / FILE, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM statement")
        assert look(built)[0]["findings"] == 1
        connection.execute("ROLLBACK")


def test_the_engine_s_memo_serves_the_next_process(built, monkeypatch):
    look(built)
    monkeypatch.setattr(engine.Matcher, "_judge", None)
    assert look(built)[0]["findings"] == 1
