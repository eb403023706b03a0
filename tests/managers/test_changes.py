# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages changed for real, by each manager that is here, and brought back."""

from __future__ import annotations

import pytest

from tests.managers.changing import WORLDS, Package


def on_all_but(*kinds):
    """Each manager; where both dnfs take the same way, one of them is enough."""
    return pytest.mark.parametrize("kind", sorted(set(WORLDS) - set(kinds)))


LIB, TOOL, OTHER = Package("lib"), Package("tool", needs=("lib",)), Package("other")
LIB2, TOOL2, OTHER2 = Package("lib", "2"), Package("tool", "2", needs=("lib", "extra")), Package("other", "2")
EXTRA = Package("extra")


@pytest.fixture
def world(forge, tmp_path):
    worlds = []

    def make(kind, *installed):
        worlds.append(WORLDS[kind](forge, tmp_path, kind))
        worlds[0].install(*installed)
        return worlds[0]

    yield make
    for made in worlds:
        made.close()


def told(actions):
    return [(each["action"], each["name"], each["from"], each["to"]) for each in actions]


@on_all_but("pacman")
def test_exactly_what_is_wanted_and_back(world, kind):
    made = world(kind, LIB, TOOL, OTHER)
    made.automatic("lib")
    marks, before = made.marks(), made.versions()
    made.offer(LIB, TOOL, OTHER, LIB2, TOOL2, OTHER2, EXTRA)
    one, two = made.version(TOOL), made.version(TOOL2)
    plan = made.plan(TOOL2, LIB2)
    assert told(plan["actions"]) == [
        ("install", "extra", None, one), ("upgrade", "lib", one, two), ("upgrade", "tool", one, two),
    ]  # fmt: skip
    assert not plan["impossible"]
    assert [each["why"] for each in plan["actions"]] == ["What is wanted needs it.", "approved", "approved"]
    actions = plan["actions"]
    assert all(each["reversible"] for each in made.ask("reversible", actions))
    kept = made.prepare(actions)
    assert {(each["name"], each["version"], bool(each["file"])) for each in kept} == {
        ("lib", one, True), ("tool", one, True),
    }  # fmt: skip
    made.offer()  # from here on there is no repository to ask
    well, said = made.forward(actions)
    assert well, said
    assert made.versions() == {**before, "lib": two, "tool": two, "extra": one}
    assert made.marks() == {*marks, "extra"}
    assert made.forward(actions)[0]  # what is done is passed over
    assert (made.ask("unfinished"), made.ask("leftovers")) == ([], [])
    for _again in range(2):
        well, said = made.back(actions)
        assert well, said
        assert (made.versions(), made.marks()) == (before, marks)


def test_pacman_upgrades_all_or_nothing_and_back(world):
    made = world("pacman", LIB, TOOL, OTHER)
    made.automatic("lib")
    marks, before = made.marks(), made.versions()
    made.offer(LIB2, TOOL2, OTHER2, EXTRA)
    plan = made.plan(TOOL2, LIB2)
    assert plan["actions"] == []
    for each, why in plan["impossible"]:
        assert each["name"] in ("lib", "tool") and "all or nothing, and other 2-1 would come too" in why
    actions = made.plan(TOOL2, LIB2, OTHER2)["actions"]
    assert told(actions) == [
        ("install", "extra", None, "1-1"),
        *(("upgrade", name, "1-1", "2-1") for name in ("lib", "other", "tool")),
    ]
    assert all(each["reversible"] for each in made.ask("reversible", actions))
    assert all(each["file"] for each in made.prepare(actions))
    made.offer()
    well, said = made.forward(actions)
    assert well, said
    assert made.versions() == {"extra": "1-1", "lib": "2-1", "other": "2-1", "tool": "2-1"}
    assert made.marks() == {*marks, "extra"}
    well, said = made.back(actions)
    assert well, said
    assert (made.versions(), made.marks()) == (before, marks)


@on_all_but("pacman", "dnf4")
def test_the_impossible_is_named_and_the_rest_is_done(world, kind):
    made = world(kind, LIB, TOOL, OTHER)
    needy = Package("lib", "2", needs=("nowhere-to-be-found",))
    gone = Package("tool", "7")
    made.offer(LIB, TOOL, OTHER, needy, OTHER2)
    plan = made.plan(needy, OTHER2, gone)
    assert told(plan["actions"]) == [("upgrade", "other", made.version(OTHER), made.version(OTHER2))]
    assert [(each["name"], each["version"]) for each, _why in plan["impossible"]] == [
        ("lib", made.version(needy)), ("tool", made.version(gone)),
    ]  # fmt: skip
    reasons = {each["name"]: why for each, why in plan["impossible"]}
    assert "nowhere-to-be-found" in reasons["lib"] and "tool" in reasons["tool"]


OLD, FRESH = Package("old"), Package("fresh", replaces="old")


@on_all_but("dnf5")
def test_a_removal_has_to_be_allowed(world, kind):
    # apk has no obsoletes, and keeps what its world names: only what came for another's sake may go.
    lib1 = Package("lib", needs=("old",) if kind == "apk" else ())
    lib2 = Package("lib", "2", needs=() if kind == "pacman" else ("fresh",))
    made = world(kind, OLD, lib1)
    if kind == "apk":
        made.automatic("old")
    before = made.versions()
    made.offer(lib1, OLD, lib2, FRESH)
    plan = made.plan(lib2)
    assert plan["actions"] == [] and "old" in plan["impossible"][0][1], plan
    actions = made.plan(lib2, removals=True)["actions"]
    version, newer = made.version(LIB), made.version(lib2)
    assert told(actions) == [
        ("install", "fresh", None, version), ("upgrade", "lib", version, newer), ("remove", "old", version, None),
    ]  # fmt: skip
    made.prepare(actions)
    well, said = made.forward(actions)
    assert well, said
    assert made.versions() == {**{k: v for k, v in before.items() if k != "old"}, "lib": newer, "fresh": version}
    marks = made.marks()
    assert ("fresh" in marks) is (kind == "apk")  # it stands for what somebody asked for
    well, said = made.back(actions)
    assert well, said
    assert made.versions() == before


@on_all_but("dnf4")
def test_an_edited_configuration_file_stays(world, kind):
    one, two = Package("tool", config="shipped"), Package("tool", "2", config="shipped anew")
    made = world(kind, one)
    path = made.root / "etc/tool.conf"
    assert path.read_text() == "shipped\n"
    path.write_text("mine\n")
    made.offer(one, two)
    actions = made.plan(two)["actions"]
    made.prepare(actions)
    well, said = made.forward(actions)
    assert well, said
    assert path.read_text() == "mine\n"
    assert made.ask("leftovers") == [f"{path}{made.new_config}"]
    well, said = made.back(actions)
    assert well, said
    assert (path.read_text(), made.versions()["tool"]) == ("mine\n", made.version(one))


@on_all_but()
def test_a_version_that_is_gone(world, kind):
    made = world(kind, OTHER)
    made.offer(OTHER, OTHER2)
    actions = made.plan(OTHER2)["actions"]
    made.lose(OTHER2)
    error = made.ask("fetch", actions, str(made.new), fails=True)
    assert error["error_code"] == "plan_moved" and "other" in error["msg"], error
    made.offer(OTHER, Package("other", "3"))
    error = made.ask("fetch", actions, str(made.new), fails=True)
    assert error["error_code"] == "plan_moved" and "other" in error["msg"], error
    assert made.versions()["other"] == made.version(OTHER)


@on_all_but("dnf4")
def test_what_cannot_come_back_is_known_before(world, kind):
    made = world(kind, OTHER)
    made.offer(OTHER2)
    if kind == "pacman":
        for path in (made.root / "var/cache/pacman/pkg").iterdir():
            path.unlink()
    actions = made.plan(OTHER2)["actions"]
    assert [each["reversible"] for each in made.ask("reversible", actions)] == [False]
    (kept,) = made.prepare(actions)
    assert kept["file"] is None and "other" in kept["why"], kept
    assert made.forward(actions)[0]
    assert made.ask("back", actions, str(made.kept), fails=True)["error_code"] == "files_missing"


# What each makes of a script that fails after its package came: some tell of it, and call it a success all the same.
BROKEN = {
    "dnf4": (True, "scriptlet"),
    "dnf5": (False, "scriptlet"),
    "zypper": (False, "script"),
    "pacman": (True, "failed"),
    "apk": (False, "script"),
}


@on_all_but()
def test_a_script_that_fails(world, kind):
    made = world(kind, OTHER)
    broken = Package("other", "2", broken_script=True)
    made.offer(OTHER, broken)
    actions = made.plan(broken)["actions"]
    made.prepare(actions)
    well, said = made.forward(actions)
    assert (well, BROKEN[kind][1] in said) == (BROKEN[kind][0], True), said
    assert made.versions()["other"] == made.version(broken)
    assert bool(made.ask("unfinished")) is (kind == "apk")
    well, said = made.back(actions)
    assert well, said
    assert (made.versions()["other"], made.ask("unfinished")) == (made.version(OTHER), [])


# zypper would ask for a signed index otherwise, which createrepo does not make.
SIGNED = {"dnf4": {"gpgcheck": "1"}, "dnf5": {"gpgcheck": "1"}, "zypper": {"gpgcheck": "0", "pkg_gpgcheck": "1"}}


@pytest.mark.parametrize("kind", sorted(SIGNED))
def test_what_is_not_signed_as_its_repository_asks_is_not_fetched(world, kind):
    made = world(kind, OTHER)
    made.offer(OTHER, OTHER2, **SIGNED[kind])
    actions = made.plan(OTHER2)["actions"]
    for _again in range(2):  # what the first try left behind is not taken for verified
        error = made.ask("fetch", actions, str(made.new), fails=True)
        assert error["error_code"] == "fetch_failed" and "sign" in error["msg"], error
    assert not list(made.new.glob("*.rpm"))


@pytest.mark.parametrize("kind", ["dnf4", "zypper"])
def test_an_update_that_was_cut_short_is_finished(world, kind):
    made = world(kind, OTHER, LIB)
    made.offer(OTHER, OTHER2)
    actions = made.plan(OTHER2)["actions"]
    made.prepare(actions)
    # As a kill between the new package and the clean-up of the old one leaves them.
    made.forge.install(made.root, [made.rpm(OTHER2)])
    assert made.ask("unfinished") == ["other 1-1 is still installed beside a newer one: an update was cut short."]
    # A job that is begun anew, either way: the repair comes first, and may have been made when the rest is run.
    back = made.ask("back", actions, str(made.kept))
    well, said = made.do(made.ask("repair"))
    assert well, said
    assert (made.ask("unfinished"), made.versions()["other"]) == ([], "2-1")
    assert made.forward(actions)[0]
    well, said = made.do(back)
    assert well, said
    assert (made.ask("unfinished"), made.versions()["other"]) == ([], "1-1")


def test_a_pacman_that_was_killed(world):
    made = world("pacman", OTHER)
    made.offer(OTHER2)
    actions = made.plan(OTHER2)["actions"]
    made.prepare(actions)
    local = made.root / "var/lib/pacman/local"
    (made.root / "var/lib/pacman/db.lck").touch()
    (local / "other-1-1").rename(local / "other-2-1")
    (local / "other-2-1/desc").unlink()
    said = made.ask("unfinished")
    assert len(said) == 2 and "other-2-1" in said[0] and "db.lck" in said[1]
    well, said = made.do(made.ask("repair"))
    assert well and made.ask("unfinished") == [], said
    well, said = made.forward(actions)
    assert well, said
    assert (made.versions(), made.ask("unfinished")) == ({"other": "2-1"}, [])


HOLDS = {
    "dnf5": lambda made: made.system.lock("other", "1-1"),
    "zypper": lambda made: made.system.zypper("addlock", "other"),
    "apk": lambda made: made.alpine.apk("add", "other=1-r1"),
    "pacman": lambda made: made.alpm.configure("IgnorePkg = other"),
}


@pytest.mark.parametrize("kind", sorted(HOLDS))
def test_what_is_held_does_not_move(world, kind):
    made = world(kind, OTHER)
    made.offer(OTHER, OTHER2)
    HOLDS[kind](made)
    plan = made.plan(OTHER2)
    assert plan["actions"] == [] and "other" in plan["impossible"][0][1], plan


@on_all_but("pacman", "dnf4")
def test_what_one_run_installed_the_next_can_bring_back(world, kind):
    made = world(kind, OTHER)
    made.offer(OTHER, OTHER2)
    first = made.plan(OTHER2)["actions"]
    made.prepare(first)
    assert made.forward(first)[0]
    for path in made.new.iterdir():  # as the end of that run does
        path.unlink() if path.is_file() else path.rmdir()
    three = Package("other", "3")
    made.offer(three)
    second = made.plan(three)["actions"]
    assert [each["reversible"] for each in made.ask("reversible", second)] == [True]
    made.prepare(second)
    assert made.forward(second)[0] and made.back(second)[0]
    assert made.versions()["other"] == made.version(OTHER2)
