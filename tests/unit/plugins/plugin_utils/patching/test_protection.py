# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a proven backup stands behind a host, by evidence as runs leave it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import protection

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
DAY = 86_400
SETS = [{"name": "workflows"}, {"name": "etc"}, {"name": "db"}]


def test_which_sets_count():
    assert protection.names_of(SETS, ()) == ["etc", "db"]
    assert protection.names_of(SETS, ("db",)) == ["db"]
    assert protection.names_of(None, ()) == protection.names_of([{"name": "workflows"}], ()) == []
    for sets, said in ((SETS, "no set www; its sets are etc, db"), (None, "it has none (backup_sets)")):
        with pytest.raises(UpkeepError, match="www") as caught:
            protection.names_of(sets, ("www",))
        assert caught.value.code == "invalid_policy" and said in caught.value.message


@pytest.fixture(name="look")
def look_fixture(home, open_run, record, samples):
    """look(("backup", {...}), ("drill", {...}), ...) is what is said after these."""
    run = open_run("r1", ["backup", "restore_test"], ["web1"])

    def looked(*done, max_age=DAY, now=NOW):
        for phase, more in done:
            if phase == "backup":
                record(run, "web1", "backup", {"data": samples.backup(**more)})
            else:
                data = samples.restore(**more)
                record(run, "web1", "restore_test", {"data": data}, finished=data["finished"])
        (found,) = protection.look(home, "web1", ["etc"], max_age, now)
        assert found["ok"] == (found["why"] is None)
        return found

    return looked


HASH = {"scope": {"mode": "hash", "level": "hash", "coverage_pct": 0.0}, "level_reached": "hash"}
SCOPED = {"scope": {"mode": "extract", "paths": ["etc/x"], "coverage_pct": 5}}
NEW = {"sha256": "b" * 64}


def part(number):
    return {"scope": {"mode": "extract", "sample": {"part": number, "of": 2}, "coverage_pct": 50.0}}


@pytest.mark.parametrize(
    ("done", "why"),
    [
        ([], "never backed up completely"),
        ([("drill", {})], "never backed up completely"),
        ([("backup", {})], "no drill has restored it"),
        ([("backup", {}), ("drill", {})], None),
        ([("backup", {}), ("drill", {}), ("drill", HASH)], None),
        ([("backup", {}), ("drill", HASH)], "it is proven in part only: no drill has restored the whole"),
        ([("backup", {}), ("drill", SCOPED)], "it is proven in part only"),
        ([("backup", {}), ("drill", part(1))], "it is proven in part only"),
        ([("backup", {}), ("drill", part(1)), ("drill", part(2))], None),
        ([("backup", {}), ("drill", {"status": "failed"})], "its last drill was failed"),
        ([("backup", {}), ("drill", {}), ("backup", NEW)], "its last proof is of an earlier archive"),
        ([("backup", {}), ("drill", {}), ("backup", NEW), ("drill", {"archive_sha256": "b" * 64})], None),
        (
            [("backup", {"confirmed_at": "2026-11-22T11:00:00Z"}), ("drill", {})],
            "the last backup is 1 d 1 h old, and patch_backup_max_age is 1 d",
        ),
        (
            [("backup", {}), ("drill", {"started": "2026-11-22T11:00:00Z", "finished": "2026-11-22T11:00:00Z"})],
            "its proof is 1 d 1 h old, and patch_backup_max_age is 1 d",
        ),
        ([("backup", {"confirmed_at": None, "created": None}), ("drill", {})], "does not say when it was backed up"),
    ],
)
def test_what_counts_as_protected(look, done, why):
    found = look(*done)
    assert found["why"] is None if why is None else why in found["why"]


def test_it_names_the_proof(look):
    found = look(("backup", {}), ("drill", {}))
    assert found == {
        "backup": "etc", "archive_sha256": "a" * 64, "proven_at": "2026-11-23T09:00:02Z", "age_s": 10798, "ok": True,
        "why": None,
    }  # fmt: skip


def test_the_oldest_of_the_parts_counts(look):
    first = {**part(1), "started": "2026-11-23T01:00:00Z", "finished": "2026-11-23T01:00:00Z"}
    found = look(("backup", {}), ("drill", first), ("drill", part(2)), max_age=36000)
    assert found["proven_at"] == "2026-11-23T01:00:00Z" and "its proof is 11 h old" in found["why"]
