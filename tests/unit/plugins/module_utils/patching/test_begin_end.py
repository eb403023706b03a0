# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run begins and ends on its host, and how one goes on with another."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import apply, begin, claim, end, folder, health

from .conftest import RUN, by


def run_of(patch_id, stage, **more):
    state = {**folder.new_state(patch_id, "web1", by()), "stage": stage, **more}
    folder.save(folder.Folder(patch_id).state, state)
    number = int(patch_id.strip("r"))
    os.utime(folder.Folder(patch_id).state, (number, number))
    folder.make(folder.Folder(patch_id).new)


def test_a_fresh_run(toy, begun):
    toy.put("left", conf="x")
    data = begun()
    assert (data["patch_id"], data["continues"], data["job"], data["ended"]) == (RUN, None, None, [])
    assert data["problems"] == []
    assert data["before"]["packages"] == [["openssl", "all", "1"], ["zlib", "all", "1"]]
    assert list(data["before"]["leftovers"]) == [str(toy.top / "left" / "conf")]
    assert folder.before_of(RUN) == data["before"]
    assert folder.state_of(RUN)["stage"] == "begun"
    assert folder.load(claim.path())["run_id"] == RUN


@pytest.mark.parametrize("stage", folder.STAGES)
def test_what_an_earlier_run_left(toy, begun, stage):
    run_of("r1", stage, drained=stage == "protected")
    folder.save(folder.Folder("r1").before, {"checks": [], "packages": [], "unfinished": [], "marker": 1})
    data = begun()
    earlier = folder.state_of("r1")
    if stage in folder.UNCHANGED_STAGES:
        assert (data["patch_id"], data["ended"]) == (RUN, ["r1"])
        assert (earlier["stage"], earlier["outcome"], earlier["reason"]) == ("ended", "refused", "superseded")
        assert not os.path.exists(folder.Folder("r1").new)
        assert folder.state_of(RUN)["drained"] is (stage == "protected")  # it is out of service still
    elif stage == "ended":
        assert (data["patch_id"], data["ended"]) == (RUN, [])
    else:
        assert (data["patch_id"], data["continues"]["stage"]) == ("r1", stage)
        assert data["before"]["marker"] == 1
        assert earlier["run_ids"] == ["r1", RUN]
        assert claim.release("r1")


@pytest.mark.parametrize("stage", [None, "applied", "ended"])
def test_who_is_out_of_service_is_never_forgotten(toy, begun, monkeypatch, stage):
    """Neither where the run that takes over is killed in between, nor where it goes on with another one."""
    run_of("r2", "planned", drained=True)
    if stage:
        run_of("r1", stage)
        folder.save(folder.Folder("r1").plan, {"actions": []})
    noted = folder.note

    def killed(patch_id, *arguments, **changes):
        done = noted(patch_id, *arguments, **changes)
        if changes.get("reason") == "superseded":
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(folder, "note", killed)
    undo = "r1" if stage == "ended" else None
    with pytest.raises(KeyboardInterrupt):
        begun("r3", undo=undo)
    monkeypatch.setattr(folder, "note", noted)
    data = begun("r4", undo=undo)
    assert data["patch_id"] == ("r1" if stage else "r4")
    assert folder.state_of(data["patch_id"])["drained"] is True
    assert folder.state_of("r2")["stage"] == "ended"


@pytest.mark.parametrize("stage", folder.STAGES)
def test_a_host_that_is_out_of_service_is_so_whoever_left_it_there(toy, begun, stage):
    run_of("r1", "ended", drained=True)
    run_of("r2", stage)
    data = begun()
    assert (data["drained"], folder.state_of(data["patch_id"])["drained"]) == (True, True)
    end.end(end.Request(data["patch_id"], "patched", drained=False))
    assert not begun("r4")["drained"], "and not for ever"


def test_a_run_that_could_not_even_write_its_state_is_none(toy, begun):
    folder.make(folder.Folder("r1").path)
    assert begun()["patch_id"] == RUN


def test_damage_stops_it_and_the_host_is_free_again(toy, begun):
    folder.make(folder.Folder("r1").path)
    with open(folder.Folder("r1").state, "w") as stream:  # noqa: PTH123
        stream.write("{")
    with pytest.raises(UpkeepError) as caught:
        begun()
    assert caught.value.code == "patch_unreadable"
    assert folder.load(claim.path()) is None


def test_a_second_run_is_refused_and_changes_nothing(toy, begun):
    begun()
    with pytest.raises(UpkeepError) as caught:
        begun("r2", "ctl2/1/boot/1")
    assert caught.value.code == "claimed"
    assert folder.load(claim.path())["run_id"] == RUN
    assert folder.state_of(RUN)["stage"] == "begun"
    assert begun("r2", "ctl1/9/boot/1", over="ctl1/7/boot/1")["ended"] == [RUN]


def test_what_speaks_against_it(toy, begun, monkeypatch):
    toy.put("half", zlib="")
    (toy.top / "lock").write_text("812 apt-get")
    checks = [{"kind": "port", "name": "443", "ok": False, "why": "refused", "duration_ms": 1}]
    monkeypatch.setattr(health, "look", lambda spec: {"checks": checks})
    problems = {each["code"]: each["message"] for each in begun(lock_patience=0)["problems"]}
    assert set(problems) == {"lock_held", "half_configured", "health_red"}
    assert "812 apt-get" in problems["lock_held"]


def test_a_lock_is_waited_for(toy, begun, monkeypatch):
    monkeypatch.setattr(begin, "_PAUSE", 0.05)
    lock = toy.top / "lock"
    lock.write_text("812 apt-get")
    asked = []
    toys = begin.changes.CHANGES["apt"]
    told = toys.locked_by

    def letting_go(self):
        asked.append(1)
        if len(asked) == 3:
            lock.unlink()
        return told(self)

    monkeypatch.setattr(toys, "locked_by", letting_go)
    assert begun(lock_patience=30)["problems"] == []


def test_check_mode_leaves_no_trace(toy, begun, state_folder):
    run_of("r1", "protected")
    data = begun(check_mode=True)
    assert (data["patch_id"], data["ended"]) == (RUN, ["r1"])
    assert folder.state_of("r1")["stage"] == "protected"
    assert [path.name for path in (state_folder / "patch").iterdir()] == ["runs"]
    assert folder.run_ids() == ["r1"]


def test_a_wrong_health_check_is_found_before_anything(toy, begun):
    with pytest.raises(UpkeepError) as caught:
        begun(health={"prots": [1]})
    assert caught.value.code == "invalid_health"
    assert folder.load(claim.path()) is None


def test_taking_back_an_ended_run(toy, begun):
    run_of("r1", "ended", outcome="patched")
    toy.plan("r1", ("upgrade", "openssl", "1", "2"))
    folder.save(folder.Folder("r1").before, {"packages": [], "marker": 1})
    folder.make(folder.Folder("r1").job("back"))
    data = begun("r2", undo="r1")
    state = folder.state_of("r1")
    assert (data["patch_id"], data["before"]["marker"]) == ("r1", 1)
    assert (state["stage"], state["outcome"], state["run_ids"]) == ("rolling_back", None, ["r1", "r2"])
    assert not os.path.exists(folder.Folder("r1").job("back"))
    assert folder.run_ids() == ["r1"]


def test_taking_back_past_an_unfinished_run_is_refused(toy, begun):
    run_of("r1", "ended")
    toy.plan("r1", ("upgrade", "openssl", "1", "2"))
    run_of("r2", "applying")
    with pytest.raises(UpkeepError) as caught:
        begun("r3", undo="r1")
    assert caught.value.code == "unfinished_run"
    with pytest.raises(UpkeepError) as caught:
        begun("r3", undo="r0")
    assert caught.value.code == "unknown_run"


def test_the_end_notes_cleans_and_frees(toy, begun):
    begun()
    folder.make(folder.Folder(RUN).new)
    folder.make(folder.Folder(RUN).kept)
    data = end.end(end.Request(RUN, "patched", [{"state": "verify"}], drained=False))
    assert data == {"ended": True, "job": None, "released": True, "removed": []}
    state = folder.state_of(RUN)
    assert (state["stage"], state["outcome"], state["states"]) == ("ended", "patched", [{"state": "verify"}])
    assert (os.path.exists(folder.Folder(RUN).new), os.path.exists(folder.Folder(RUN).kept)) == (False, True)
    assert begun("r2")["continues"] is None


def test_quiet_nights_do_not_cost_the_way_back(toy, begun):
    for number in range(1, 9):
        run_of(f"r{number}", "applying" if number == 8 else "ended")
        if number in (1, 2, 3):
            folder.save(os.path.join(folder.Folder(f"r{number}").job("apply"), "job.json"), {"tries": [], "begun": 0})
    assert end.prune(3, this="r7") == ["r1", "r4"]
    assert sorted(folder.run_ids()) == ["r2", "r3", "r5", "r6", "r7", "r8"]


def test_a_run_whose_job_goes_on_is_not_ended(toy, begun):
    begun()
    sha256 = toy.plan(RUN, ("upgrade", "openssl", "1", "2"))
    toy.slow(1)
    assert apply.run(apply.Request(RUN, sha256, wait=0))["job"] == "running"
    data = end.end(end.Request(RUN, "needs_attention"))
    assert (data["ended"], data["job"], folder.load(claim.path())["run_id"]) == (False, "running", RUN)
    again = begun("r2", "ctl1/8/boot/2", over="ctl1/7/boot/1")
    assert (again["patch_id"], again["job"]["job"], again["problems"]) == (RUN, "running", [])
    assert apply.run(apply.Request(RUN, sha256, wait=20))["reattached"] is True


def test_an_end_on_a_full_disk_makes_its_own_room(toy, begun, monkeypatch):
    begun()
    fetched = folder.make(folder.Folder(RUN).new)
    saved = folder.save

    def save(path, document):
        if os.path.exists(fetched):
            raise folder.unwritable(path, OSError(28, "No space left on device"))
        saved(path, document)

    monkeypatch.setattr(folder, "save", save)
    assert end.end(end.Request(RUN, "refused"))["ended"] is True
    assert (folder.state_of(RUN)["stage"], os.path.exists(claim.path())) == ("ended", False)


@pytest.mark.parametrize(
    "wrong",
    [{"stage": "rolling"}, {"stage": None}, {"patch_id": "r9"}, {"run_ids": []}, {"states": None}, {"drained": "no"}],
)
def test_a_memory_that_makes_no_sense_is_a_sentence(toy, begun, wrong):
    run_of("r1", "applying")
    path = folder.Folder("r1").state
    folder.save(path, {**folder.load(path), **wrong})
    for does in (begun, lambda: folder.note("r1", stage="applied"), lambda: end.end(end.Request("r1", "failed"))):
        with pytest.raises(UpkeepError, match=f"its {next(iter(wrong))} makes no sense") as caught:
            does()
        assert caught.value.code == "patch_unreadable"
    assert folder.load(claim.path()) is None


def test_a_claim_that_makes_no_sense_is_a_sentence(toy, begun):
    folder.save(claim.path(), {"by": "ann"})
    with pytest.raises(UpkeepError, match=r"claim\.json cannot be read") as caught:
        begun()
    assert caught.value.code == "patch_unreadable"


@pytest.mark.parametrize("stage", ["planned", "applied"])
def test_a_run_that_lost_its_host_does_not_end_what_another_one_does(toy, begun, stage):
    """r1 was silent for so long that r2, of another controller, took over; then r1 comes to its end."""
    begun("r1")
    folder.note("r1", stage=stage)
    folder.save(claim.path(), {**folder.load(claim.path()), "renewed_at": "2026-01-01T00:00:00Z"})
    data = begun("r2", process="ctl2/1/boot/1")
    assert (data["patch_id"], data["run_id"]) == ("r1" if stage == "applied" else "r2", "r2")
    known = folder.state_of("r1")
    with pytest.raises(UpkeepError, match="was taken over by") as caught:
        end.end(end.Request("r1", "failed", run_id="r1"))
    assert caught.value.code == "claim_lost"
    assert folder.state_of("r1") == known
    assert folder.load(claim.path())["run_id"] == "r2"
    assert end.end(end.Request(data["patch_id"], "failed", run_id="r2"))["ended"] is True
