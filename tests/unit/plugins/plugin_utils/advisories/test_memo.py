# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one process judged, another does not judge again; and a memo that is spoilt costs nothing but time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import memo
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.match import Key, Matcher

from tests.advisories import DEBIAN, fill, said

KEYS = [Key(DEBIAN, "source", name, "1-1") for name in ("openssl", "perl")]
ROWS = [said("openssl", "CVE-1", fixed="2-1", severity="high", published="2026-01-01T00:00:00Z")]


@pytest.fixture(name="judge")
def judge_fixture(tmp_path):
    """judge() -> (what was found, how many had to be judged), each time as a new process would."""

    def judged():
        with Index.open(tmp_path / "index.db") as index:
            remembered = memo.Memo(tmp_path / "matched.db", memo.basis(index))
            matcher = Matcher(index, remembered)
            found = matcher.found(KEYS)
            remembered.close()
            return found, matcher.judged

    fill(tmp_path / "index.db", ROWS)
    return judged


def test_what_is_remembered_is_not_judged_again(judge):
    first = judge()
    assert first[1] == 2 and judge() == (first[0], 0)


def test_another_index_forgets(judge, tmp_path):
    judge()
    fill(tmp_path / "index.db", [])
    assert judge() == (dict.fromkeys(KEYS, ()), 2)
    with sqlite3.connect(tmp_path / "matched.db") as connection:
        assert connection.execute("SELECT count(DISTINCT basis) FROM matched").fetchone() == (1,)


def test_an_imported_index_of_the_same_generation_forgets_too(judge, tmp_path):
    first = judge()
    fill(tmp_path / "other.db", [*ROWS, said("perl", "CVE-2", "affected")])
    with Index.open(tmp_path / "index.db") as one, Index.open(tmp_path / "other.db") as other:
        assert one.generation == other.generation
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"index.db{suffix}").unlink(missing_ok=True)
    (tmp_path / "other.db").rename(tmp_path / "index.db")
    found, judged = judge()
    assert judged == 2 and found != first[0]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at" * 20, b""])
def test_a_spoilt_memo_is_made_anew(judge, tmp_path, content):
    first = judge()
    (tmp_path / "matched.db").write_bytes(content)
    assert judge() == first and judge() == (first[0], 0)


def test_spoilt_rows_are_judged_again(judge, tmp_path):
    first = judge()
    with sqlite3.connect(tmp_path / "matched.db") as connection:
        connection.execute("UPDATE matched SET found = '[[1'")
    assert judge() == first


def test_a_memo_that_cannot_be_opened_is_done_without(judge, tmp_path):
    (tmp_path / "matched.db").mkdir()
    assert [judge()[1], judge()[1]] == [2, 2]


def _judge_for_ever(path, ready):
    with Index.open(path / "index.db") as index:
        remembered = memo.Memo(path / "matched.db", memo.basis(index))
        found = Matcher(index).found(KEYS)
        number = 0
        while True:
            number += 1
            remembered.put({key._replace(version=f"{number}-{at}"): found[key] for key in KEYS for at in range(50)})
            ready.set()


def test_killed_while_it_writes(judge, tmp_path):
    first = judge()
    context = multiprocessing.get_context("fork")
    for _kill in range(3):
        ready = context.Event()
        writer = context.Process(target=_judge_for_ever, args=(tmp_path, ready))
        writer.start()
        assert ready.wait(30)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert judge() == (first[0], 0)
    with sqlite3.connect(tmp_path / "matched.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
