# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import history, observations, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, combined, worst


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "skipped"], "ok"),
        (["ok", "incomplete"], "incomplete"),
        (["incomplete", "unknown"], "unknown"),
        (["unknown", "failed"], "failed"),
        (["skipped"], "skipped"),
        ([], "unknown"),
    ],
)
def test_worst(statuses, expected):
    assert worst(statuses) == expected


def loop(*sets):
    return {"results": [{"item": {"name": name}, **result} for name, result in sets]}


FAILED = {"failed": True, "msg": "no", "error_code": "no_space"}


def test_a_document_survives_and_is_valid(open_run, observe, samples, validate):
    run = open_run("r1", ["backup"], ["web1"])
    for result in ({"data": samples.backup()}, loop(("etc", {"data": samples.backup()}), ("db", FAILED)), FAILED):
        made = observe(run, "web1", "backup", result)
        validate(made.document(), "observation")
        assert Observation.from_document(made.document()) == made
        assert next(iter(made.document())) == "schema"


def test_reasons_are_joined_with_their_sets(open_run, observe, samples):
    run = open_run("r1", ["backup"], ["web1"])
    made = observe(run, "web1", "backup", loop(("etc", {"data": samples.backup()}), ("db", FAILED), ("www", FAILED)))
    assert (made.status, made.reason) == ("failed", "db: no_space: no; www: no_space: no")
    away = observe(run, "web1", "backup", loop(("a", {"unreachable": True}), ("b", {"unreachable": True})))
    assert away.reason == "unreachable: no connection"


@pytest.mark.parametrize(
    ("recordings", "status", "sets"),
    [
        # a later recording answers an earlier one of the same set
        ([(None, loop(("etc", FAILED))), (None, loop(("etc", {"skipped": True})))], "skipped", ["etc"]),
        # another name is another matter
        ([("workflows", FAILED), (None, loop(("etc", {"skipped": True})))], "failed", ["workflows", "etc"]),
        # a failure of no set in particular is answered by what comes later under its name
        ([(None, FAILED), (None, loop(("etc", {"skipped": True})))], "skipped", ["etc"]),
        # and stands while nothing does
        ([(None, loop(("etc", {"skipped": True}))), (None, FAILED)], "failed", ["etc", None]),
    ],
)
def test_combined(open_run, observe, recordings, status, sets):
    run = open_run("r1", ["backup"], ["web1"])
    whole = combined([observe(run, "web1", "backup", result, name=name) for name, result in recordings])
    assert whole.status == status
    assert [part.name for part in whole.outcomes()] == sets


def test_files_of_a_host_and_phase_are_numbered_and_never_changed(home, open_run, observe, samples):
    run = open_run("r1", ["backup"], ["../x"])
    first = observations.add(home, observe(run, "../x", "backup", FAILED))
    before = first.read_bytes()
    second = observations.add(home, observe(run, "../x", "backup", {"data": samples.backup()}))
    third = observations.add(home, observe(run, "../x", "backup", {"skipped": True}, name="b"))
    assert [path.name for path in (first, second, third)] == ["backup.json", "backup.2.json", "backup.3.json"]
    assert first.read_bytes() == before and first.parent == home / "runs/r1/hosts/%2E.%2Fx"
    assert [each.status for each in observations.recorded(home, "r1", "../x", "backup")] == ["failed", "ok", "skipped"]
    seen = list(observations.all_seen(home, "r1"))
    assert [(each.host, each.phase, each.status) for each in seen] == [("../x", "backup", "ok")]


def test_a_damaged_observation_is_unknown(home, open_run, observe):
    run = open_run("r1", ["backup"], ["web1"])
    path = observations.add(home, observe(run, "web1", "backup", {"skipped": True}))
    for content in (b"", b"{", b"[]", b'{"schema": "upkeep.observation/1", "status": "great"}', b"\xff"):
        path.write_bytes(content)
        seen = observations.seen(home, "r1", "web1", "backup")
        assert seen.status == "unknown" and "backup.json" in seen.reason


def test_last_seen_goes_back_run_by_run(home, open_run, observe):
    for run_id, started in (("old", "2026-01-01T00:00:00Z"), ("new", "2026-01-02T00:00:00Z")):
        observations.add(home, observe(open_run(run_id, ["audit"], ["a"], started), "a", "audit", FAILED))
    observations.add(home, observe(runs.load(home, "old"), "b", "audit", FAILED))
    newest = runs.newest_first(home)
    assert [run.run_id for run in newest] == ["new", "old"]
    assert history.last_seen(home, newest, "a", "audit").run_id == "new"
    assert history.last_seen(home, newest, "b", "audit").run_id == "old"
    assert history.last_seen(home, newest, "c", "audit") is None


@pytest.mark.parametrize(
    "damage",
    [{"parts": None}, {"parts": []}, {"parts": [1]}, {"parts": [{}]}, {"data": 5}, {"data": [None, None]}, {"host": 1},
     {"finished": None}, {"tool": []}, {"duration_ms": "1"}],
)  # fmt: skip
def test_an_observation_of_a_wrong_shape_is_unreadable_and_named(home, open_run, observe, damage):
    path = observations.add(home, observe(open_run("r1", ["backup"], ["web1"]), "web1", "backup", FAILED))
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    (seen,) = observations.all_seen(home, "r1")
    assert seen.status == "unknown" and seen.reason.startswith("unreadable: runs/r1/hosts/web1/backup.json (")


def test_the_last_word_is_of_each_set_and_of_what_was_not_skipped(home, open_run, observe, samples):
    def keep(run_id, day, host, phase, result, name=None):
        run = open_run(run_id, [phase], [host], f"2026-01-0{day}T00:00:00Z")
        observations.add(home, observe(run, host, phase, result, name=name))

    skipped = {"skipped": True, "msg": "not asked for"}
    keep("r1", 1, "localhost", "backup", loop(("etc", {"data": samples.backup()}), ("db", FAILED)))
    keep("r2", 2, "localhost", "backup", loop(("etc", FAILED), ("www", skipped)))
    keep("r3", 3, "localhost", "backup", {"data": samples.backup(backup="workflows")}, name="workflows")
    keep("r4", 4, "localhost", "backup", {"results": []})
    keep("r5", 5, "localhost", "audit", skipped)
    newest = runs.newest_first(home)
    last = history.last_seen(home, newest, "localhost", "backup")
    assert last.run_id == "r2"
    assert [(part.name, part.status, part.file) for part in last.outcomes()] == [
        ("etc", "failed", "runs/r2/hosts/localhost/backup.json"),
        ("db", "failed", "runs/r1/hosts/localhost/backup.json"),
    ]
    assert history.last_seen(home, newest, "localhost", "audit").status == "skipped"
    own = history.last_seen(home, newest, "localhost", "backup", controllers_own=True)
    assert (own.run_id, own.status) == ("r3", "ok")
