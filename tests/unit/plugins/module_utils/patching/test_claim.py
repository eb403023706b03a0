# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One patch run at a time on a host."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import claim, folder

NOW = times.parse("2026-11-24T02:00:00Z")


def by(process):
    return {"user": "ann", "controller": process.partition("/")[0], "process": process}


def held(process="ctl1/7/boot/1", silent=60):
    return {"run_id": "r1", "by": by(process), "renewed_at": times.iso(NOW - timedelta(seconds=silent))}


@pytest.mark.parametrize(
    ("claimed", "mine", "over", "expected"),
    [
        (held(), "ctl1/7/boot/1", None, False),  # my own
        (held(silent=86400), "ctl1/8/boot/2", None, True),  # of this controller: silence says nothing
        (held(), "ctl1/8/boot/2", "ctl1/7/boot/1", False),  # of this controller, and dead
        (held(), "ctl1/8/boot/2", "ctl1/6/boot/0", True),  # another one is dead
        (held(silent=899), "ctl2/7/boot/1", None, True),
        (held(silent=901), "ctl2/7/boot/1", None, False),
        (held(silent=-60), "ctl2/7/boot/1", None, True),
        (held(silent=-86400), "ctl2/7/boot/1", None, False),  # the clock was set back
        ({"run_id": "r1", "by": by("ctl1/1/b/1")}, "ctl2/1/b/1", None, False),  # no sign of life ever
        ({}, "ctl2/1/b/1", None, False),
    ],
)
def test_whose_claim_stands(claimed, mine, over, expected):
    assert claim.stands(claimed, by(mine), over, NOW) is expected


def test_a_refusal_says_who_and_how_to_go_on(state_folder):
    claim.take("r1", by("ctl1/7/boot/1"))
    with pytest.raises(UpkeepError) as caught:
        claim.take("r2", by("ctl2/7/boot/1"))
    assert caught.value.code == "claimed"
    assert "run r1, started by ann on ctl1 (process ctl1/7/boot/1), since 20" in caught.value.message
    assert "claim.json" in caught.value.message
    assert caught.value.details["claim"]["run_id"] == "r1"
    with pytest.raises(UpkeepError):
        claim.standing(by("ctl2/7/boot/1"))


def test_taking_again_keeps_since_when(state_folder):
    first = claim.take("r1", by("ctl1/7/b/1"))
    folder.save(claim.path(), {**first, "claimed_at": "2026-11-23T20:00:00Z"})
    assert claim.take("r1", by("ctl1/7/b/1"))["claimed_at"] == "2026-11-23T20:00:00Z"
    assert claim.take("r2", by("ctl1/8/b/2"), over="ctl1/7/b/1")["claimed_at"] != "2026-11-23T20:00:00Z"


def _race(number, together, won):
    together.wait()
    try:
        claim.take(f"r{number}", by(f"ctl{number}/7/boot/1"))
    except UpkeepError as error:
        assert error.code == "claimed"
        return
    won.put(number)


def test_of_many_at_once_one_wins(state_folder):
    context = multiprocessing.get_context("fork")
    together, won = context.Barrier(6), context.Queue()
    racers = [context.Process(target=_race, args=(number, together, won)) for number in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(30)
        assert racer.exitcode == 0
    winner = won.get(timeout=10)
    assert won.empty()
    assert folder.load(claim.path())["run_id"] == f"r{winner}"


@pytest.fixture
def working(state_folder):
    """A run of process ctl1/7/boot/1 that works on what r0 had begun."""
    claim.take("r1", by("ctl1/7/boot/1"))
    state = folder.new_state("r0", "web1", by("ctl1/6/boot/0"))
    folder.save(folder.Folder("r0").state, {**state, "run_ids": ["r0", "r1"]})
    return folder.load(claim.path())


def test_signs_of_life(working, monkeypatch):
    folder.save(claim.path(), {**working, "renewed_at": "2026-11-23T20:00:00Z"})
    claim.renew("r0", "ctl1/7/boot/1")
    assert folder.load(claim.path())["renewed_at"] > "2026-11-23T20:00:00Z"


@pytest.mark.parametrize("taken", [True, False])
def test_a_claim_that_was_lost_stops_the_run(working, taken):
    if taken:
        folder.save(claim.path(), {**working, "run_id": "r2", "by": by("ctl2/9/boot/1")})
    else:
        claim.release("r0")
    with pytest.raises(UpkeepError) as caught:
        claim.renew("r0", "ctl1/7/boot/1")
    assert caught.value.code == "claim_lost"
    claim.renew("r0")  # a note does no harm, and renews nobody else's
    assert (folder.load(claim.path()) or {}).get("run_id") == ("r2" if taken else None)


def test_only_the_own_claim_is_released(working):
    folder.save(claim.path(), {**working, "run_id": "r2"})
    assert claim.release("r0") is False
    folder.save(claim.path(), working)
    assert claim.release("r0") is True
    assert folder.load(claim.path()) is None
    assert claim.release("r0") is False
