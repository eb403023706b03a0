# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan and the protection of a patch run, over a manager that does as it is told."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import boot, changes
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Kept, Simulation, Wanted
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, plan, protect, room

SCHEMA = json.loads((Path(__file__).resolve().parents[5] / "docs/schemas/plan.json").read_text())
RUN = "20261123T200102Z-4711"


class Shelf:
    """Upgrades of version 1 to 2; `needs` names what comes along, `lost` what cannot be had any more."""

    def __init__(self, root="/"):
        self.root = root
        self.needs = {"app": ["lib"]}
        self.lost = {"old"}
        self.impossible = {"stuck"}
        self.download = 1000
        self.fetched = []

    def simulate(self, wanted, removals):
        can = [each for each in wanted if each.name not in self.impossible]
        why = {each.name: each.why for each in can}
        for each in can:
            for other in self.needs.get(each.name, ()):
                why.setdefault(other, f"{each.name} 2 needs it")
        actions = [Action("upgrade", name, "all", "1", "2", reason) for name, reason in sorted(why.items())]
        cannot = [(each, "stuck needs what is not there.") for each in wanted if each.name in self.impossible]
        return Simulation(actions, cannot, self.download, 2000)

    def reversible(self, actions):
        return [Action.of({**each.document(), "reversible": each.name not in self.lost}) for each in actions]

    def fetch(self, actions, folder):
        self.fetched.append(folder)
        return self.download

    def keep(self, actions, folder):
        return [
            Kept(each.name, each.arch, each.before, None if each.name in self.lost else f"{folder}/{each.name}", 5)
            for each in actions
        ]


@pytest.fixture(name="shelf")
def _shelf(begun, monkeypatch):
    begun()
    shelf = Shelf()
    monkeypatch.setitem(changes.CHANGES, "apt", lambda root: shelf)
    return shelf


def ask(*names, left_out=(), **more):
    wanted = [{"name": name, "arch": "all", "from": "1", "to": "2", "why": "security update"} for name in names]
    return plan.Request(RUN, "web1", wanted, list(left_out), "p" * 64, **more)


def firm(name):
    return {"name": name, "to": "2", "why": "exception of Ann", "firm": True}


def names(document):
    return [each["name"] for each in document["actions"]]


def test_a_plan_is_written_down_and_valid(shelf):
    left = {"name": "bash", "to": "6", "why": "no security update"}
    made = plan.make(ask("app", "stuck", left_out=[left], states=[{"state": "preflight"}]))
    jsonschema.validate(made, SCHEMA)
    assert names(made) == ["app", "lib"]
    assert made["left_out"] == [
        left, {"name": "stuck", "arch": "all", "to": "2", "why": "stuck needs what is not there."},
    ]  # fmt: skip
    assert folder.plan_of(RUN) == made
    state = folder.state_of(RUN)
    assert (state["stage"], state["plan_sha256"]) == ("planned", made["plan_sha256"])
    assert state["states"] == [{"state": "preflight"}]
    assert made["refused"] is None
    assert plan.diff(made) == {
        "before_header": "installed", "after_header": "planned",
        "before": "app (all) 1\nlib (all) 1\n", "after": "app (all) 2\nlib (all) 2\n",
    }  # fmt: skip


def test_check_mode_plans_the_same_and_writes_nothing(shelf):
    made = plan.make(ask("app", check_mode=True))
    assert folder.load(folder.Folder(RUN).plan) is None
    assert folder.state_of(RUN)["stage"] == "begun"
    assert plan.make(ask("app"))["plan_sha256"] == made["plan_sha256"]


def test_nothing_to_do_is_a_plan(shelf):
    made = plan.make(ask())
    jsonschema.validate(made, SCHEMA)
    assert (made["actions"], made["room"]) == ([], [])


def test_the_hash_is_of_what_is_done_alone():
    actions = [Action("upgrade", "a", "all", "1", "2", "why"), Action("install", "b", "all", None, "1")]
    known = plan.sha256("web1", "apt", None, actions)
    text = (
        '{"actions":[["install","b","all",null,"1"],["upgrade","a","all","1","2"]],"host":"web1","manager":"apt",'
        '"policy_sha256":null}'
    )
    assert known == hashlib.sha256(text.encode()).hexdigest()
    again = [Action("install", "b", "all", None, "1", "else"), Action("upgrade", "a", "all", "1", "2", reversible=True)]
    assert plan.sha256("web1", "apt", None, again) == known
    for other in (
        plan.sha256("web2", "apt", None, actions),
        plan.sha256("web1", "dnf", None, actions),
        plan.sha256("web1", "apt", "p", actions),
        plan.sha256("web1", "apt", None, actions[:1]),
        plan.sha256("web1", "apt", None, [actions[0], Action("install", "b", "all", None, "2")]),
    ):
        assert other != known


def test_what_is_firmly_left_out_stays_even_where_it_is_needed(shelf):
    made = plan.make(ask("app", "tool", left_out=[firm("lib")]))
    assert names(made) == ["tool"]
    assert made["left_out"][1]["name"] == "app"
    assert made["left_out"][1]["why"] == "lib would be changed with it, which is left out: exception of Ann"
    assert names(plan.make(ask("app", left_out=[dict(firm("lib"), firm=False)]))) == ["app", "lib"]


def test_what_has_no_way_back(shelf):
    assert [each["reversible"] for each in plan.make(ask("old", "tool"))["actions"]] == [False, True]
    made = plan.make(ask("old", "tool", irreversible="leave_out"))
    assert names(made) == ["tool"]
    assert made["left_out"] == [
        {
            "name": "old", "arch": "all", "to": "2",
            "why": "there would be no way back from old 1: it cannot be had any more",
        }
    ]  # fmt: skip
    with pytest.raises(UpkeepError, match="no way back from old 1") as raised:
        plan.make(ask("old", "tool", irreversible="refuse"))
    assert raised.value.code == "irreversible"
    shelf.needs["app"] = ["old"]
    assert names(plan.make(ask("app", "tool", irreversible="leave_out"))) == ["tool"]


def test_no_room_refuses_the_plan_and_the_fetching(shelf):
    shelf.download = 1 << 60
    made = plan.make(ask("app"))
    jsonschema.validate(made, SCHEMA)
    assert made["refused"]["code"] == "no_space"
    assert "there is no room for this update: " in made["refused"]["message"]
    with pytest.raises(UpkeepError) as raised:
        protect.protect(protect.Request(RUN, made["plan_sha256"]))
    assert raised.value.code == "no_space"
    assert shelf.fetched == []


def test_a_new_kernel_needs_room_in_boot(tmp_path, monkeypatch):
    monkeypatch.setattr(boot, "room", lambda root, container: {"boot_needed_bytes": 1 << 50})
    upgrade = [Action("upgrade", "linux-image-amd64", "amd64", "1", "2")]
    kernel = [Action("install", "linux-image-6.1.0-41-amd64", "amd64", None, "6.1.1")]
    assert room.shortage(room.look(str(tmp_path), upgrade, 0, 0)) is None
    assert room.shortage(room.look(str(tmp_path), kernel, 0, 0))


@pytest.mark.parametrize("bad", [{}, {"name": "app", "arch": "all"}, {"name": "app", "arch": None, "to": "2"}])
def test_what_is_wanted_has_to_be_named(shelf, bad):
    with pytest.raises(UpkeepError, match="wanted: ") as raised:
        plan.make(plan.Request(RUN, "web1", [bad], [], None))
    assert raised.value.code == "invalid_wanted"


def test_a_run_that_another_one_has_ended_does_no_more(shelf):
    made = plan.make(ask("app"))
    folder.note(RUN, stage="ended", outcome="refused", reason="superseded")
    for refused in (
        lambda: plan.make(ask("app")),
        lambda: protect.protect(protect.Request(RUN, made["plan_sha256"])),
    ):
        with pytest.raises(UpkeepError, match=r"has ended on this host \(superseded\)") as caught:
            refused()
        assert caught.value.code == "claim_lost"


def test_a_run_that_changes_the_host_keeps_its_plan(shelf):
    made = plan.make(ask("app"))
    folder.note(RUN, stage="applying")
    for again in (
        lambda: plan.make(ask("tool")),
        lambda: protect.protect(protect.Request(RUN, made["plan_sha256"])),
    ):
        with pytest.raises(UpkeepError) as raised:
            again()
        assert raised.value.code == "already_changed"
    assert folder.plan_of(RUN) == made


def test_protecting(shelf):
    made = plan.make(ask("app", "old"))
    with pytest.raises(UpkeepError) as raised:
        protect.protect(protect.Request(RUN, "0" * 64))
    assert raised.value.code == "plan_moved"
    before = protect.protect(protect.Request(RUN, made["plan_sha256"], check_mode=True))
    assert (before["fetched"], shelf.fetched) == (0, [])
    data = protect.protect(protect.Request(RUN, made["plan_sha256"], states=[{"state": "plan"}]))
    assert (data["fetched"], data["fetched_bytes"], len(data["kept"])) == (3, 1000, 3)
    assert [each["name"] for each in data["irreversible"]] == ["old"]
    assert folder.state_of(RUN)["stage"] == "protected"
    assert folder.state_of(RUN)["states"] == [{"state": "plan"}]
    json.dumps(data)
    with pytest.raises(UpkeepError) as raised:
        protect.protect(protect.Request(RUN, made["plan_sha256"], irreversible="refuse"))
    assert raised.value.code == "irreversible"


def test_wanted_are_what_the_manager_is_asked_for(shelf):
    asked = []
    simulate = shelf.simulate
    shelf.simulate = lambda wanted, removals: asked.append((list(wanted), removals)) or simulate(wanted, removals)
    plan.make(ask("app", removals=True))
    assert asked == [([Wanted("app", "all", "2", "security update")], True)]
