# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which part is next, whether targets were met, and what to try after a failure."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.filter.drilled_elsewhere import drilled_elsewhere
from ansible_collections.proven.upkeep.plugins.plugin_utils import parts, proofs, targets
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.summary import restore_verdict
from ansible_collections.proven.upkeep.plugins.plugin_utils.next_scope import next_scope
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.coverage import Coverage


def drill(part=None, of=3, archive="a", finished="t", **more):
    sample = {"part": part, "of": of} if part else None
    scope = {"mode": "stream", "paths": more.pop("paths", []), "sample": sample, "level": more.pop("level", "blocks")}
    reached = scope["level"]
    return {
        "status": "ok",
        "archive_sha256": archive,
        "scope": scope,
        "level_reached": reached,
        "finished": finished,
        **more,
    }


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [
        ([], 1),
        ([drill(1)], 2),
        ([drill(2), drill(1)], 3),
        ([drill(3), drill(2), drill(1)], 1),
        ([drill(1), drill(3), drill(2), drill(1)], 2),
        # Of another archive: this one has none proven yet, the set's oldest part goes first.
        ([drill(1, archive="b"), drill(2, archive="b")], 3),
        ([drill(3, archive="b"), drill(1, archive="b"), drill(2, archive="b")], 2),
        ([drill(2), drill(3, archive="b"), drill(1, archive="b")], 1),
        # What proves no part does not count.
        ([drill(1, status="failed"), drill(1, paths=["etc"]), drill(level="hash"), drill(1, of=4)], 1),
        # A drill of everything proves all parts.
        ([drill(2), drill()], 1),
    ],
)
def test_the_part_that_was_proven_least_recently_is_next(newest_first, expected):
    assert parts.next_part(newest_first, 3, "a") == expected


@pytest.mark.parametrize("of", [1, 2, 7])
def test_as_many_drills_as_parts_cover_everything(home, samples, of):
    """An hourly whole-file hash in between takes nothing away."""
    chosen = []
    for _run in range(of):
        part = parts.next_part(parts.of_set(home, "web1", "etc"), of, "a" * 64)
        chosen.append(part)
        scope = {
            "mode": "stream",
            "level": "blocks",
            "paths": [],
            "sample": {"part": part, "of": of},
            "coverage_pct": 30,
        }
        document = {"project": "shop", "host": "web1", **samples.restore(scope=scope, level_reached="blocks")}
        proofs.append(home, document)
        hashed = {"mode": "hash", "level": "hash", "paths": [], "sample": None, "coverage_pct": 0}
        last = proofs.append(home, {**document, "scope": hashed, "level_reached": "hash"}).document
        proofs.append(home, {**document, "host": "web1-etc", "backup": "x"})
    assert sorted(chosen) == list(range(1, of + 1))
    assert Coverage(home).proven("web1", "etc", last) == (100.0, "2026-11-23T09:00:02Z", None)


def test_a_hash_does_not_cover_up_a_drill_that_went_wrong(home, samples):
    base = {"project": "shop", "host": "web1"}
    proofs.append(home, {**base, **samples.restore(status="failed")})
    scope = {"mode": "hash", "level": "hash", "paths": [], "sample": None, "coverage_pct": 0}
    last = proofs.append(home, {**base, **samples.restore(scope=scope, level_reached="hash")}).document
    assert Coverage(home).proven("web1", "etc", last) == (0.0, None, "2026-11-23T09:00:02Z")


@pytest.mark.parametrize(
    ("more", "rto", "rpo"),
    [
        ({"scope": {"mode": "extract"}}, True, True),
        ({"scope": {"mode": "extract"}, "duration_ms": 11, "rpo_ms": 11}, False, False),
        ({"scope": {"mode": "stream"}}, None, True),
        ({"scope": {"mode": "stream"}, "duration_ms": 11}, False, True),
        ({"scope": {"mode": "extract", "sample": {"part": 1, "of": 2}}}, None, True),
        ({"scope": {"mode": "extract", "paths": ["etc"]}}, None, True),
        ({"scope": {"mode": "extract"}, "status": "failed", "rpo_ms": None}, None, None),
        ({"scope": {"mode": "extract"}, "rto_target_ms": None, "rpo_target_ms": None}, None, None),
    ],
)
def test_targets_are_met_missed_or_not_known(more, rto, rpo):
    document = {"status": "ok", "duration_ms": 10, "rto_target_ms": 10, "rpo_ms": 10, "rpo_target_ms": 10, **more}
    assert (targets.rto_met(document), targets.rpo_met(document)) == (rto, rpo)


FAILED = {"host": "web1", "backup": "etc", "status": "failed", "archive": "/a/etc.tar.zst"}
FOUND = {"paths": ["etc/ssl", "srv/a b"], "why": "1 of 9 entries is damaged, all in block 7: 8 entries", "intact": 8}


@pytest.mark.parametrize(
    ("more", "code", "why", "command"),
    [
        ({"next_scope": FOUND}, "archive_damaged", "all in block 7", "HOST=web1 SET=etc PATHS='etc/ssl,srv/a b'"),
        ({"history": [{"created": "2026-11-22T01:00:00Z"}]}, "archive_damaged", "older", "AT=2026-11-22T01:00:00Z"),
        ({}, "archive_damaged", "new backup", "playbooks/backup.yml -e target=web1 -e backup_only=etc"),
        ({"details": {"free": 10, "required": 20}}, "no_space", "a part of it", '\'{"restore_test_sample": {"of": 3}}'),
        ({}, "restore_differs", "read alone", "-e restore_test_level=blocks"),
        ({}, "check_failed", "keep", "-e restore_test_keep=true"),
        ({}, "drill_host_unreachable", "where the backup is", "-e restore_test_on=host"),
        ({}, "never_heard_of", "the reason says", None),
        ({"host": "localhost", "backup": "workflows"}, "archive_missing", "new backup", "-e backup_only=workflows"),
        ({"host": "localhost", "backup": "workflows", "next_scope": FOUND}, "x", "block 7", "tar -xf /a/etc.tar.zst"),
    ],
)  # fmt: skip
def test_a_failed_drill_names_what_to_try_next(more, code, why, command):
    scope = next_scope({**FAILED, **more}, code)
    assert why in scope["why"]
    assert scope["command"] is None if command is None else command in scope["command"]
    assert "{" not in (scope["command"] or "").replace('{"', "").replace(': {"', "") or "no_space" in code
    assert ("target=" in (scope["command"] or "")) is (more.get("host") is None and "-e" in (scope["command"] or ""))


def test_what_did_not_fail_needs_no_next_scope():
    assert next_scope({**FAILED, "status": "ok"}, None) is None


HASHED = {"scope": {"level": "hash"}, "level_reached": "hash"}


@pytest.mark.parametrize(
    ("data", "first", "lines"),
    [
        ([{}, {}], "Restore OK", 1),
        ([HASHED, HASHED], "Hash OK (no restore was tried)", 1),
        ([HASHED, {}], "Restore OK", 2),
    ],
)
def test_a_hash_is_not_called_a_restore(data, first, lines):
    told = restore_verdict(
        [{"host": "web1", "set": f"s{n}", "status": "ok", "reason": None, "data": each} for n, each in enumerate(data)]
    )
    assert (told[0], len(told)) == (first, lines)
    assert lines == 1 or told[1].endswith("web1 s0")


@pytest.mark.parametrize(
    ("brought", "there", "expected"),
    [
        ({"unreachable": True, "msg": "m"}, {"skipped": True}, {"unreachable": True, "msg": "m"}),
        ({"archive": "/a"}, {"unreachable": True, "msg": "m"}, {"error_code": "drill_host_unreachable"}),
        ({"archive": "/a"}, {"data": {"status": "ok"}}, {"data": {"status": "ok"}}),
        ({}, {"failed": True, "msg": "x"}, {"failed": True, "msg": "x"}),
    ],
)
def test_a_drill_host_that_is_away_is_a_failed_drill(brought, there, expected):
    result = drilled_elsewhere(brought, there, {"name": "etc"}, "drill1")
    assert expected.items() <= result.items() and result["item"] == {"name": "etc"}
