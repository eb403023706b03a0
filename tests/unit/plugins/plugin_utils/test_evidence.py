# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host with a wrong clock leaves as evidence."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Part


def test_the_last_verified_archive(home, open_run, record, samples):
    run = open_run("r1", ["restore_test"], ["web1"])

    def drill(letter, **more):
        record(run, "web1", "restore_test", {"data": samples.restore(archive_sha256=letter * 64, **more)})

    assert evidence.last_verified(home, "web1", "etc") == []
    drill("a", status="failed")
    assert evidence.last_verified(home, "web1", "etc") == []
    drill("b", finished="2026-11-23T10:00:00Z")
    drill("c", finished="2026-11-23T10:00:00Z")
    assert evidence.last_verified(home, "web1", "etc") == ["c" * 64]
    for number in range(10):  # of one second: the tenth is newer than the second
        drill(f"{number:x}")
    drill("f", status="failed", finished="2026-11-23T11:00:00Z")
    assert evidence.last_verified(home, "web1", "etc") == ["c" * 64]
    assert evidence.last_verified(home, "web1", "etc2") == []
    assert evidence.last_verified(home, "eb1", "etc") == []


HASH = {"scope": {"mode": "hash", "level": "hash", "coverage_pct": 0.0}, "level_reached": "hash"}


def _part(part, of=2):
    return {"scope": {"mode": "extract", "sample": {"part": part, "of": of}, "coverage_pct": 50.0}}


@pytest.mark.parametrize(
    "drills, verified",
    [
        ([("a", {}), ("b", HASH)], "a"),  # a hash that is right proves no restore
        ([("a", HASH)], ""),
        ([("a", {}), ("b", _part(1)), ("c", _part(2))], "ca"),  # each day another archive, proven in part
        ([("a", {}), ("b", _part(1)), ("b", _part(2)), ("c", _part(1))], "cb"),
        ([("a", {}), ("b", {"scope": {"paths": ["etc"], "coverage_pct": 1.0}})], "ba"),
        ([("a", {}), ("b", {}), ("b", {"status": "failed"})], "ba"),  # in doubt since, so not alone
        ([("a", {}), ("b", {}), ("c", {"status": "failed"})], "b"),
    ],
)
def test_what_counts_as_verified(home, open_run, record, samples, drills, verified):
    run = open_run("r1", ["restore_test"], ["web1"])
    for hour, (letter, more) in enumerate(drills):
        finished = {"finished": f"2026-11-23T1{hour}:00:00Z"}
        record(run, "web1", "restore_test", {"data": samples.restore(archive_sha256=letter * 64, **finished, **more)})
    assert evidence.last_verified(home, "web1", "etc") == [letter * 64 for letter in verified]


def test_a_complete_backup_counts_where_retention_failed(home, open_run, observe, samples):
    run = open_run("r1", ["backup"], ["web1"])
    observation = observe(run, "web1", "backup", {"data": samples.backup()})
    observation.hold([Part("etc", "incomplete", "retention_failed: x", data=samples.backup())], False)
    assert [path.name for path in evidence.publish(home, observation, run)] == ["last_success.json"]


def test_a_wrong_clock_is_told_and_measures_nothing(home, open_run, observe, samples):
    run = open_run("r1", ["backup", "restore_test"], ["web1"])

    def publish(phase, data, skew):
        observation = observe(run, "web1", phase, {"data": data}, finished="2026-11-23T12:00:00Z")
        observation.clock_skew_s = skew
        return evidence.publish(home, observation, run)

    publish("backup", samples.backup(), -10800)
    _proof, last, text = publish("restore_test", samples.restore(finished="2026-11-23T14:00:00Z"), 7200)
    proof = json.loads(last.read_text())
    assert (proof["started"], proof["finished"]) == ("2026-11-23T12:00:00Z",) * 2, "the controller's, not the host's"
    assert (proof["clock_skew_s"], proof["created_clock_skew_s"], proof["rpo_ms"]) == (7200, -10800, None)
    assert "Clock:           the host's is at least 2 h 0 min ahead of the controller's" in text.read_text()
    assert "RPO:             not known, the clock was off" in text.read_text()

    # An archive that did not change keeps the time by which it was created; a new one has its own.
    publish("backup", samples.backup(unchanged=True), 0)
    assert json.loads(publish("restore_test", samples.restore(), 0)[1].read_text())["rpo_ms"] is None
    publish("backup", samples.backup(sha256="b" * 64), 0)
    last = publish("restore_test", samples.restore(archive_sha256="b" * 64), 0)[1]
    assert json.loads(last.read_text())["rpo_ms"] == 3_600_000
