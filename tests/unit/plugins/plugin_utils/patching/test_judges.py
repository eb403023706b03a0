# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The judges: before a change, and after it."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import compare, policy, preflight, verify
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.policy import Policy
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.verify import Seen
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=timezone.utc)
BEGIN = {"patch_id": "r1", "continues": None, "problems": [], "before": {"packages": []}}


def installed(*packages, **more):
    return [
        {"name": name, "arch": "amd64", "version": version, "held": False, "auto": False, "state": "installed", **more}
        for name, version in (package.split("=") for package in packages)
    ]


def level(*packages, health=None, metadata=None, **more):
    return {
        "schema": "upkeep.patch_level/1", "host": {"os_id": "debian", "os_version": "12", "eol_date": "2028-06-30"},
        "manager": "apt", "collected": "2026-11-24T21:59:50Z",
        "metadata": {"refreshed_at": "2026-11-24T21:59:00Z", "stale": False, "problems": [], **(metadata or {})},
        "installed": installed(*packages), "pending": [], "reboot": {"required": False, "reasons": []},
        "services_stale": [],
        "health": {"interrupted": False, "half_configured": [], "locked_by": None, **(health or {})}, **more,
    }  # fmt: skip


def before(begin=..., of=None, plan=None, check=False, **variables):
    made = policy.parse({f"patch_{name}": value for name, value in variables.items()}, NOW.date())
    return preflight.judge(
        BEGIN if begin is ... else begin, of or level(), plan, made, NOW - timedelta(minutes=2), NOW, check
    )


def told(said):
    return [(each["code"], each["message"]) for each in said.problems]


def test_a_host_that_is_fit():
    said = before()
    assert (said.status, said.problems, said.notes) == ("ok", [], [])


@pytest.mark.parametrize(
    ("seen", "code", "message"),
    [
        ({"of": level(health={"interrupted": True})}, "interrupted", "dpkg --configure -a"),
        ({"of": level(health={"half_configured": ["nginx"]})}, "half_configured", "nginx: installed but not"),
        ({"of": level(health={"half_configured": [{"name": "nginx"}]})}, "half_configured", "nginx: installed but"),
        ({"of": level(health={"locked_by": "812 apt-get"})}, "lock_held", "812 apt-get holds apt's lock"),
        ({"of": level(health={"unmet_dependencies": ["a needs b"]})}, "unmet_dependencies", "a needs b"),
        ({"of": level(metadata={"stale": True})}, "stale_metadata", "last refreshed 2026-11-24T21:59:00Z"),
        ({"of": level(metadata={"stale": True, "refreshed_at": None})}, "stale_metadata", "last refreshed never"),
        (
            {"begin": {**BEGIN, "problems": [{"code": "health_red", "message": "port 443: refused"}]}},
            "health_red",
            "port 443: refused",
        ),
        ({"plan": {"refused": {"code": "no_space", "message": "/var has 1 MB"}}}, "no_space", "/var has 1 MB"),
        ({"begin": None}, "not_seen", "nothing is changed blindly"),
    ],
)
def test_what_refuses_a_change(seen, code, message):
    said = before(**seen)
    ((found, sentence),) = told(said)
    assert said.status == "refused" and found == code and message in sentence


def test_nothing_is_said_twice():
    begin = {**BEGIN, "problems": [{"code": "lock_held", "message": "dpkg (812) holds it, still after 300 seconds"}]}
    assert len(before(begin, level(health={"locked_by": "812 apt-get"})).problems) == 1


def test_without_a_patch_level_nothing_is_changed():
    said = preflight.judge(BEGIN, None, None, Policy(), NOW, NOW)
    assert told(said)[0][0] == "not_seen"


def test_lists_that_may_not_be_refreshed_count_as_long_as_they_are_young():
    stale = {"stale": True, "problems": ["The repository x failed."], "refreshed_at": "2026-11-24T20:00:00Z"}
    said = before(of=level(metadata=stale), refresh="never", max_age=7200)
    assert said.status == "ok" and "The repository x failed" in said.notes[0]
    assert before(of=level(metadata=stale), refresh="never", max_age=7199).status == "refused"
    assert before(of=level(metadata=stale), max_age=7200).status == "refused"
    noted = before(of=level(metadata=stale), check=True)
    assert noted.status == "ok" and "check mode refreshes nothing" in noted.notes[0]


def test_what_is_only_noted():
    old = level(
        host={"os_id": "debian", "os_version": "10", "eol_date": "2022-09-10"}, collected="2026-11-24T23:30:00Z"
    )
    said = before(of=old)
    assert said.status == "ok" and "has had no security updates since 2022-09-10" in said.notes[0]
    assert "at least 1 h 30 min ahead of the controller's" in said.notes[1]
    assert before(of=level(health={"boot_full": True})).notes == ["/boot has no room for another kernel"]


# --- after ---

ACTIONS = [
    {"action": "upgrade", "name": "openssl", "arch": "amd64", "from": "1", "to": "2"},
    {"action": "install", "name": "libnew", "arch": "amd64", "from": None, "to": "1"},
    {"action": "remove", "name": "old", "arch": "amd64", "from": "1", "to": None},
]
BEFORE = ("openssl=1", "old=1", "vim=9")
AFTER = ("openssl=2", "libnew=1", "vim=9")
HEALTH = {"checks": [], "problems": []}


def after(of=AFTER, back=False, patch_reboot=None, **seen):
    made = policy.parse({"patch_reboot": patch_reboot}, NOW.date())
    of = of if isinstance(of, dict) else level(*of)
    seen = {"begin": BEGIN, "level": level(*BEFORE), "health": HEALTH, "after": of, **seen}
    return verify.judge(Seen(plan={"actions": ACTIONS}, **seen), made, back)


def test_as_planned():
    said = after(applied={"job": "ok"}, restart={"failed": []}, reboot={"kernel": "6.1", "expected_kernel": "6.1"})
    assert (said.status, said.problems, said.notes) == ("ok", [], [])


@pytest.mark.parametrize(
    ("packages", "code", "message"),
    [
        (("openssl=1", "libnew=1", "vim=9"), "not_applied", "openssl is 1, planned was 2"),
        (("openssl=3", "libnew=1", "vim=9"), "not_applied", "openssl is 3, planned was 2"),
        (("openssl=2", "vim=9"), "not_applied", "libnew is not installed, planned was 1"),
        ((*AFTER, "old=1"), "not_applied", "old is 1, planned was its removal"),
        ((*AFTER, "more=1"), "unplanned_change", "more 1 came along, which was not planned"),
        (("openssl=2", "libnew=1"), "unplanned_change", "vim 9 is gone, which was not planned"),
        (
            ("openssl=2", "libnew=1", "vim=8"),
            "unplanned_change",
            "vim is 8 instead of 9, which was not planned",
        ),
    ],
)
def test_what_is_not_as_planned(packages, code, message):
    said = after(packages)
    assert said.status == "failed" and told(said) == [(code, message)]


@pytest.mark.parametrize(
    ("seen", "code", "message"),
    [
        ({"after": None}, "not_seen", "the patch level was not collected again"),
        ({"health": None}, "not_seen", "health was not looked at"),
        ({"level": None}, "not_seen", None),
        ({"applied": {"job": "died", "progress": "Unpacking"}}, "apply_failed", "job is died: Unpacking"),
        ({"applied": {"job": "ok", "unfinished": ["nginx is half-configured"]}}, "half_configured", "nginx is half"),
        ({"of": level(*AFTER, health={"half_configured": ["nginx"]})}, "half_configured", "nginx: installed but"),
        ({"of": level(*AFTER, health={"interrupted": True})}, "interrupted", "apt is in the middle of a change"),
        ({"of": level(*AFTER, health={"unmet_dependencies": ["a needs b"]})}, "unmet_dependencies", "a needs b"),
        ({"restart": {"failed": [{"unit": "x.service", "why": "exit 1"}]}}, "restart_failed", "x.service did not"),
        ({"reboot": {"kernel": "6.1-1", "expected_kernel": "6.1-2"}}, "reboot_kernel", "6.1-2 was to run"),
        (
            {"of": level(*AFTER, reboot={"required": True, "reasons": ["new kernel"]})},
            "reboot_due",
            "a reboot is still due (new kernel), though patch_reboot is if_needed",
        ),
        (
            {"health": {"problems": [{"code": "port_closed", "message": "tcp 443 is not listening"}]}},
            "port_closed",
            "tcp 443 is not listening",
        ),
    ],
)
def test_what_is_not_well(seen, code, message):
    said = after(**seen)
    ((found, sentence),) = told(said)
    assert said.status == "failed" and found == code and (message or "before is not known") in sentence


def test_what_is_only_noted_afterwards():
    stale = level(
        *AFTER, services_stale=[{"unit": "ssh.service"}, {"unit": None}], reboot={"required": True, "reasons": []}
    )
    said = after(stale, patch_reboot="never", applied={"job": "ok", "config_leftovers": ["/etc/x.dpkg-dist"]})
    assert said.status == "ok" and said.notes == [
        "edited configuration files were kept; the new ones lie beside them: /etc/x.dpkg-dist",
        "still running replaced code: ssh.service",
        "a reboot is due; patch_reboot is never",
    ]


def test_marks_that_changed():
    changed = level(*AFTER)
    changed["installed"][0]["held"] = True
    changed["installed"][2]["auto"] = True
    assert told(after(changed)) == [
        ("mark_changed", "openssl was marked not on hold and is on hold now"),
        ("mark_changed", "vim was marked manual and is automatic now"),
    ]


def test_of_many_of_a_kind_it_says_how_many():
    said = after((*AFTER, *(f"x{number:02}=1" for number in range(30))))
    assert len(said.problems) == 11 and said.problems[-1]["message"] == "and 20 more of this kind"


def test_a_run_that_goes_on_is_compared_with_what_it_began_with():
    packages = [["openssl", "amd64", "1"], ["old", "amd64", "1"], ["vim", "amd64", "9"]]
    begin = {**BEGIN, "continues": {"stage": "applying"}, "before": {"packages": packages}}
    half = level("openssl=2", "old=1", "vim=9")
    assert after(begin=begin, level=half).status == "ok"
    assert after(begin=begin, level=None).status == "ok"
    # In the middle of its work the package manager has marks that it sets right in the end.
    half["installed"][2]["auto"] = True
    assert after(begin=begin, level=half).status == "ok"
    ended = {**begin, "continues": {"stage": "ended"}}
    assert told(after(begin=ended, level=half)) == [("mark_changed", "vim was marked automatic and is manual now")]
    crept = level("openssl=2", "old=1", "vim=9", "more=1")
    assert told(after((*AFTER, "more=1"), begin=begin, level=crept))[0][0] == "unplanned_change"


def test_kernels_stand_side_by_side():
    plan = [{"action": "install", "name": "kernel", "arch": "x86_64", "from": None, "to": "6.3"}]
    was, now = (
        [["kernel", "x86_64", version] for version in those] for those in (("6.1", "6.2"), ("6.1", "6.2", "6.3"))
    )
    assert compare.compare(compare.versions(was), compare.versions(now), plan) == ([], [])
    assert compare.compare(compare.versions(was), compare.versions(was), plan).missed
    one = {**BEGIN, "continues": {}, "before": {"packages": was[1:]}}
    seen = Seen({"actions": plan}, {**one, "continues": {"stage": "applied"}}, None, HEALTH)
    after_it = level()
    after_it["installed"] = [{"name": name, "arch": arch, "version": version} for name, arch, version in now]
    assert verify.judge(Seen(**{**vars(seen), "after": after_it}), Policy()).status == "ok"


def test_architectures():
    def of(*packages):
        return compare.versions(package.split() for package in packages)

    moved = [{"action": "upgrade", "name": "data", "arch": "amd64", "from": "1", "to": "2"}]
    assert compare.compare(of("data all 1"), of("data amd64 2"), moved) == ([], [])
    assert compare.compare(of("data all 1"), of("data all 2"), moved) == ([], [])
    assert compare.compare(of("data amd64 2"), of("data all 1"), compare.undone(moved)) == ([], [])
    both, half = of("data amd64 1", "data i386 1"), of("data amd64 2", "data i386 1")
    assert compare.compare(both, half, moved) == ([], [])
    assert compare.compare(both, of("data amd64 2", "data i386 2"), moved).unplanned == [
        "data (i386) is 2 instead of 1, which was not planned"
    ]
    assert compare.compare(both, both, moved).missed == ["data (amd64) is 1, planned was 2"]
    assert compare.compare(both, of("data amd64 2"), moved).unplanned == [
        "data (i386) 1 is gone, which was not planned"
    ]


@pytest.mark.parametrize("level_of", [BEFORE, AFTER, ("openssl=1", "libnew=1", "vim=9")])
def test_the_way_back_is_exact(level_of):
    """Whether the level was collected before the change, after it, or somewhere between."""
    assert after(BEFORE, back=True, level=level(*level_of)).status == "ok"
    said = after(("openssl=2", "old=1", "vim=9"), back=True, level=level(*level_of))
    assert told(said) == [("not_applied", "openssl is 2, planned was 1")]


NAMES = st.sampled_from("abcdef")
WORLD = st.dictionaries(NAMES, st.sampled_from("123"))


@given(WORLD, WORLD, st.data())
def test_a_plan_done_in_part_leads_to_the_same_and_back_again(was, will, data):
    plan = [
        {"action": _action(was.get(name), will.get(name)), "name": name, "arch": "x", "from": was.get(name),
         "to": will.get(name)}
        for name in sorted({*was, *will}) if was.get(name) != will.get(name)
    ]  # fmt: skip
    done = data.draw(st.sets(st.sampled_from([each["name"] for each in plan]))) if plan else set()
    between = {
        name: version for name in {*was, *will} if (version := (will if name in done else was).get(name)) is not None
    }
    worlds = [compare.versions([name, "x", version] for name, version in each.items()) for each in (was, between, will)]
    for begun in worlds:
        untouched = copy.deepcopy(begun)
        assert compare.compare(begun, worlds[2], plan) == ([], [])
        assert compare.compare(begun, worlds[0], compare.undone(plan)) == ([], [])
        assert begun == untouched
    if plan:
        assert compare.compare(worlds[0], worlds[0], plan).missed


def _action(was, will):
    return "install" if was is None else "remove" if will is None else "upgrade" if will > was else "downgrade"
