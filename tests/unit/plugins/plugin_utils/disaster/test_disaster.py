# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a disaster drill says of itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import outcome, rules
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import document, rebuild, text
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import line
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation

FACTS = {
    "project": "upkeep", "run_id": "r", "host": "web1", "drill_host": "drill1", "drill_machine": {}, "from": "offsite",
    "at": None, "rebuild": False, "load": True, "predicted": False, "secrets": ["backup_identity"],
    "started": "2026-11-23T09:00:00Z", "finished": "2026-11-23T09:00:41Z", "duration_ms": 41000,
    "ran_by": {"user": "root", "controller": "c"}, "tool": {},
}  # fmt: skip
ENTRY = {"created": "2026-11-22T09:00:00Z", "archive": "a.tar.gz", "archive_sha256": "a" * 64, "bytes": 5, "files": 1}
RESTORED = {"data": {"dest": "/srv/x", "in_place": False, "bytes": 7, "not_restored": []}}
SAME = {"data": {"counts": {"unchanged": 3}, "created": [], "replaced": [], "refused": []}}


def one_set(**answers):
    told = rebuild.Rebuild("etc", "/srv/x", ENTRY)
    try:
        told.step("take", lambda: None)
        told.facts.update(told.step("restore", lambda: rebuild.restored(answers.get("restore", RESTORED))))
        told.facts.update(told.step("compare", lambda: rebuild.compared(answers.get("compare", SAME))))
        if "load" in answers:
            told.facts.update(told.step("databases", lambda: rebuild.loaded(answers["load"])))
    except UpkeepError as error:
        told.facts.update(error.details.get("facts") or {})
    return told.document()


def test_a_rebuilt_host(validate):
    shop = {
        "name": "shop",
        "engine": "sqlite",
        "database": None,
        "ok": True,
        "tables": 1,
        "rows": 42,
        "rows_expected": 42,
    }
    found = document.composed(FACTS, [one_set(load={"data": {"dumps": [shop]}})])
    validate(found, "disaster_drill")
    assert (found["status"], found["entries"], found["databases"], found["rows"]) == ("ok", 3, 1, 42)
    told = text.text(found)
    assert "  Verdict:         REBUILT\n" in told and "42 of 42 rows" in told and "the copy offsite" in told
    assert "backup_identity" in told and "that the service of the set etc works: it has no checks" in told


@pytest.mark.parametrize(
    ("answers", "step", "code"),
    [
        ({"restore": {"failed": True, "error_code": "no_space", "msg": "full"}}, "restore", "no_space"),
        ({"compare": {"data": {"counts": {"unchanged": 2}, "replaced": ["etc/x"]}}}, "compare", "restore_differs"),
        ({"compare": {"data": {"counts": {"unchanged": 0}}}}, "compare", "nothing_restored"),
        ({"load": {"failed": True, "error_code": "dump_not_loaded", "msg": "no server",
                   "data": {"dumps": [{"name": "a", "engine": "mysql", "ok": False, "why": "no server"}]}}},
         "databases", "dump_not_loaded"),
        ({"load": {"data": {"dumps": [{"name": "a", "engine": "mysql", "ok": None, "why": "x"}]}}},
         "databases", "dump_not_loaded"),
    ],
)  # fmt: skip
def test_a_set_that_is_not_back(answers, step, code, validate):
    part = one_set(**answers)
    failed = [one["step"] for one in part["steps"] if one["status"] == "failed"]
    assert part["status"] == "failed" and failed == [step] and f"{step}: {code}" in part["reason"]
    found = document.composed(FACTS, [part])
    validate(found, "disaster_drill")
    assert found["status"] == "failed" and "NOT REBUILT" in text.text(found) and code in text.text(found)


def test_no_set_and_sets_that_nobody_rebuilt(validate):
    assert document.composed(FACTS, [])["reason"].startswith("nothing_restored")
    results = [
        {"item": {"name": "etc"}, "unreachable": True, "msg": "no route"},
        {"item": {"name": "x"}, "failed": True},
    ]
    found = document.composed(FACTS, [document.part_of(one) for one in results])
    validate(found, "disaster_drill")
    assert [one["reason"].partition(":")[0] for one in found["sets"]] == [
        "unreachable", "module_failed",
    ]  # fmt: skip
    assert "etc: unreachable" in found["reason"] and text.text(found)


def test_dumps_that_only_their_program_loads():
    pg, own = {"name": "pg", "engine": "postgresql"}, {"name": "own", "engine": "command"}
    assert rebuild.to_load([pg]).parameters == {"dumps": [pg], "only": ["pg"]}, "else nobody misses it in the archive"
    both = rebuild.to_load([pg, own])
    assert both.parameters == {"dumps": [pg], "only": ["pg"]} and both.left[0]["what"] == "the dump own" and both.any
    reached = {**pg, "host": "db.example.com", "user": "shop", "secret": "shop_db"}
    assert rebuild.to_load([reached]).parameters["dumps"] == [pg]
    assert rebuild.to_load([reached], as_administrator=False).parameters["dumps"] == [reached]
    assert not rebuild.to_load([own]).any and not rebuild.to_load([]).any, "a dump nobody names is not loaded"


def test_a_set_of_databases_alone_has_no_entries():
    empty = {"data": {"counts": {"unchanged": 0}}}
    assert rebuild.compared(empty, databases=True) == {"entries": 0}
    with pytest.raises(UpkeepError, match="no entry"):
        rebuild.compared(empty)


def test_a_dry_run_says_what_it_would_take():
    part = {**one_set(), "bytes_needed": 3_000_000, "bytes_free": 9_000_000}
    told = document.planned(document.composed(FACTS, [part, {**part, "bytes_needed": None}]))
    assert "2 sets" in told and "at least" in told and "free" in told and "disaster_confirm=drill1" in told


def test_what_nobody_brought_back_is_no_whole_rebuild(validate):
    own = rebuild.to_load([{"name": "own", "engine": "command"}]).left
    part = one_set(restore={"data": {**RESTORED["data"], "not_restored": own}})
    assert part["status"] == "incomplete" and "1 dump NOT loaded (the dump own: only its program" in part["reason"]
    found = document.composed(FACTS, [one_set(), part])
    validate(found, "disaster_drill")
    head = text.text(found).partition("SET ")[0]
    assert found["status"] == "incomplete" and "Verdict:         REBUILT IN PART\n" in head and "1 dump NOT" in head
    seen = outcome.part_of("disaster_drill", {"data": found})
    assert seen.status == "incomplete" and "1 dump NOT loaded" in (seen.reason or "")
    seen.name = "web1"
    recorded = Observation("r", "p", "drill1", "drill1", "disaster_drill", "incomplete", None, "x", "x")
    recorded.hold([seen], False)
    told = line.lines(recorded)
    assert "INCOMPLETE" in told[0] and "web1 is back in part" in told[0] and "IN PART" in told[2]
    run = SimpleNamespace(state="open", expected=list)
    assert len(rules.broken(run, {("drill1", "disaster_drill"): recorded})) == 1


def test_of_the_folder_itself_nothing_is_missing():
    kept = {"what": ".", "why": "the folder that is restored into keeps its own owner, mode and time"}
    above = {"what": "srv", "why": "the archive does not hold this folder", "in_archive": False}
    assert one_set(restore={"data": {**RESTORED["data"], "not_restored": [kept, above]}})["status"] == "ok"
    owners = {"what": "owner and group of every entry", "why": "only root can restore it"}
    part = one_set(restore={"data": {**RESTORED["data"], "not_restored": [kept, owners]}})
    assert part["status"] == "incomplete" and "1 thing NOT restored (owner and group" in part["reason"]


def room(needed, free, mount="/srv", what="restore"):
    return {"for": what, "bytes": needed, "free": free, "file_system": mount}


@pytest.mark.parametrize(
    ("rooms", "told"),
    [
        ([[room(5, 9)], [room(4, 9)]], None),
        ([[room(5, 9)], [room(5, 9)]], "/srv of drill1 has 9 B free and 10 B are needed"),  # together
        ([[room(5, 9)], [room(5, 9, "/var")]], None),
        ([[room(5, 9), room(3, 9, what="hand_over")], [room(1, 9), room(3, 9, what="hand_over")]], None),  # in turn
        ([[room(5, 9), room(5, 9, what="hand_over")]], "10 B are needed"),
        ([[room(5, 9), room(3, 2, "/tmp", "hand_over")]], "/tmp of drill1 has 2 B free and 3 B are needed"),
        ([[room(None, 9), room(7, None)], []], None),  # not known
    ],
)
def test_a_dry_run_fails_where_there_is_no_room(rooms, told, validate):
    parts = [{**one_set(), "rooms": each} for each in rooms]
    found = document.composed({**FACTS, "predicted": True}, parts)
    validate(found, "disaster_drill")
    assert found["status"] == ("failed" if told else "ok")
    assert told is None or ("no_space" in found["reason"] and told in found["reason"]), found["reason"]
    assert document.composed(FACTS, parts)["status"] == "ok"  # a drill that was done had the room
