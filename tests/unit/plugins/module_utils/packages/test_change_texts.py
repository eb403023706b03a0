# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What solvers say of a change, and the most of it that can be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import (
    _dnf_table,
    _settle,
    _zypper_texts,
    apk_change,
    pacman_change,
    zypper_change,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages._alpm_database import Local
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apk_database import Package
from ansible_collections.proven.upkeep.plugins.module_utils.packages._rpm_change import Nevra, as_action
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Wanted

RECORDED = Path(__file__).parent / "recorded"
LONG = "a-package-whose-name-is-much-too-long-for-any-table"


@pytest.mark.parametrize("kind", ["dnf4", "dnf5"])
def test_dnfs_table(kind):
    table = _dnf_table.parse((RECORDED / f"{kind}-table.txt").read_text())
    assert sorted(table.comes) == [
        ("downgrade", "tool", "noarch", "2.0-1"),
        ("install", "extra", "noarch", "1.0-1"),
        ("install", "fresh", "noarch", "1.0-1"),
        ("upgrade", LONG, "noarch", "2.0.20261124.git0123456789abcdef-1"),
        ("upgrade", "growing", "noarch", "2:2.0-1"),
    ]
    assert sorted(table.goes) == [("clash", "noarch", "1.0-1"), ("old", "noarch", "1.0-1")]


def test_dnfs_table_where_a_line_is_too_narrow():
    text = f"""Upgrading:
 {LONG}
               noarch 2.0-1             base 5.6 k
     replacing  old.noarch 1.0-1
 tool          noarch 1:3.0-2           base 1.2 M

Transaction Summary
"""
    table = _dnf_table.parse(text)
    assert table.comes == [("upgrade", LONG, "noarch", "2.0-1"), ("upgrade", "tool", "noarch", "1:3.0-2")]
    assert table.goes == [("old", "noarch", "1.0-1")]


REFUSALS = {
    "dnf 4's solver": (
        "Error: \n Problem: cannot install the best candidate for the job\n"
        "  - nothing provides nowhere needed by needy-2.0-1.noarch\n",
        "(try to add '--skip-broken' to skip uninstallable packages)\n",
        "cannot install the best candidate for the job (nothing provides nowhere needed by needy-2.0-1.noarch)",
    ),
    "dnf5's solver": (
        "Updating and loading repositories:\nRepositories loaded.\nFailed to resolve the transaction:\n"
        "Problem: conflicting requests\n  - nothing provides nowhere needed by needy-2.0-1.noarch from base\n"
        "You can try to add to command line:\n  --no-best to not limit the transaction to the best candidates\n",
        "",
        "conflicting requests (nothing provides nowhere needed by needy-2.0-1.noarch from base)",
    ),
    "what is not there": (
        "Error: Unable to find a match: nosuch-2.0-1.noarch\n",
        "No match for argument: nosuch-2.0-1.noarch\n",
        "Error: Unable to find a match: nosuch-2.0-1.noarch; No match for argument: nosuch-2.0-1.noarch",
    ),
    "a lock": (
        "Failed to resolve the transaction:\nArgument 'locked-2.0-1.noarch' matches only packages excluded by "
        "versionlock.\n",
        "",
        "Argument 'locked-2.0-1.noarch' matches only packages excluded by versionlock.",
    ),
    "nothing": ("", "", "dnf does not say why"),
}


@pytest.mark.parametrize("case", sorted(REFUSALS))
def test_why_dnf_refuses(case):
    stderr, stdout, words = REFUSALS[case]
    assert _dnf_table.refusal(stderr, stdout) == words


FAILURES = {
    "dnf 4": (
        "[MIRROR] tool-2.rpm: Status code: 404 for http://user:secret@mirror/tool-2.rpm (IP: 10.0.0.1)\n"
        "Error: Error downloading packages:\n  Cannot download tool-2.rpm: All mirrors were tried\n",
        "404",
    ),
    "dnf5": (">>> Status code: 404 for http://mirror/tool-2.rpm\n>>> No more mirrors to try\n", "404"),
    "a signature": ("Package tool-2.0-1.noarch.rpm is not signed\nError: GPG check FAILED\n", "is not signed"),
}


@pytest.mark.parametrize("case", sorted(FAILURES))
def test_why_dnf_fetches_nothing(case):
    stderr, words = FAILURES[case]
    said = _dnf_table.failure(stderr, "Upgrading:\n tool noarch 2 base 5 k\n")
    assert words in said and "secret" not in said and "\n" not in said


def wanted(*names):
    return [Wanted(name, "noarch", "2", f"{name} is approved") for name in names]


class Solver:
    """Says no to a request that has one of `broken`; brings `along` (name: what it needs); counts the questions."""

    def __init__(self, broken=(), along=None, removes=(), says="{} cannot be had"):
        self.broken, self.along, self.removes, self.says, self.asked = broken, along or {}, removes, says, 0

    def __call__(self, group):
        self.asked += 1
        bad = [each.name for each in group if each.name in self.broken]
        if bad:
            return _settle.Answer(refused=self.says.format(f"{bad[0]}-2"))
        actions = [Action("upgrade", each.name, each.arch, "1", each.version) for each in group]
        actions += [
            Action("install", each, "noarch", None, "1") for name in group for each in self.along.get(name.name, ())
        ]
        actions += [
            Action("remove", "old", "noarch", "1", None) for each in group if each.name in self.removes
        ]  # fmt: skip
        return _settle.Answer(actions, None, len(actions), 0)


def names(pairs):
    return [each.name for each, _why in pairs]


def test_one_question_is_enough_where_all_can_be_done():
    solver = Solver(along={"a": ["new"]})
    found = _settle.settle(wanted("b", "a"), False, solver)
    assert [(each.name, each.why) for each in found.actions] == [
        ("a", "a is approved"), ("b", "b is approved"), ("new", "What is wanted needs it."),
    ]  # fmt: skip
    assert (solver.asked, found.impossible, found.download_bytes) == (1, [], 3)


@pytest.mark.parametrize("says, most", [("{} cannot be had", 4), ("it cannot be done", 16)])
def test_what_stands_in_the_way_is_found(says, most):
    everything = [f"p{number:02d}" for number in range(32)]
    solver = Solver(broken={"p07"}, says=says)
    found = _settle.settle(wanted(*everything), False, solver)
    assert names(found.impossible) == ["p07"]
    assert [each.name for each in found.actions] == [name for name in everything if name != "p07"]
    assert solver.asked <= most


def test_a_removal_is_refused_unless_allowed_or_benign():
    found = _settle.settle(wanted("a", "b"), False, Solver(removes={"b"}))
    assert [each.name for each in found.actions] == ["a"]
    assert "the removal of old 1" in found.impossible[0][1]
    for options in ({"removals": True}, {"removals": False, "benign": lambda name: name == "old"}):
        assert len(_settle.settle(wanted("a", "b"), ask=Solver(removes={"b"}), **options).actions) == 3


def test_another_version_is_none():
    def ask(group):
        return _settle.Answer([Action("upgrade", each.name, each.arch, "1", "3") for each in group])

    ((each, why),) = _settle.settle(wanted("a"), False, ask).impossible
    assert (each.name, why) == ("a", "Asked for a 2, the package manager takes 3.")


def test_nothing_wanted_asks_nothing():
    solver = Solver()
    assert (_settle.settle([], False, solver).actions, solver.asked) == ([], 0)


def test_an_rpm_that_changes_its_architecture_and_a_kernel():
    installed, versions = {("tool", "noarch"): "1-1", ("kernel", "x86_64"): "5-1"}, {"tool": "1-1", "kernel": "5-1"}
    cases = {
        ("upgrade", "tool", "x86_64"): ("upgrade", "1-1"),
        ("install", "kernel", "x86_64"): ("install", None),
        ("upgrade", "new", "noarch"): ("install", None),
    }
    for (kind, name, arch), (action, before) in cases.items():
        found = as_action(kind, Nevra(name, arch, "2-1"), installed, versions)
        assert (found.action, found.before, found.after) == (action, before, "2-1")
    assert (str(Nevra("tool", "noarch", "1:2-3")), Nevra("tool", "noarch", "1:2-3").file) == (
        "tool-1:2-3.noarch", "tool-2-3.noarch.rpm",
    )  # fmt: skip


def test_why_zypper_refuses_what_is_locked():
    text = """<stream><prompt id="1"><description>Problem: conflicting requests
 Solution 1: Following actions will be done:
  remove lock to allow installation of locked-2.0-1.noarch[base]
  remove lock to allow removal of locked-1.0-1.noarch
 Solution 2: do not ask to install a solvable providing locked.noarch = 2.0-1
</description></prompt><message type="error">ABORT request: Aborting requested by user</message></stream>"""
    words = zypper_change.Zypper()._words(_zypper_texts.tree(text), 4)
    assert words == (
        "conflicting requests; it would have to remove lock to allow installation of locked-2.0-1.noarch[base]"
    )


def test_apks_plan_without_its_helper():
    text = """(1/5) Upgrading lib (1.0-r0 -> 1.1-r0)
(2/5) Installing fresh (1-r0)
(3/5) Downgrading tool (2-r0 -> 1-r0)
(4/5) Purging old (3-r0)
(5/5) Installing .upkeep-patch (20261124.020024)
OK: 0 MiB in 6 packages
"""
    packages = {
        name: Package(name, "1", "noarch" if name == "old" else "x86_64", name) for name in ("lib", "tool", "old")
    }
    found = apk_change._actions(text, [Wanted("lib", "x86_64", "1.1-r0")], packages)
    assert [each.identity for each in found] == [
        ("upgrade", "lib", "x86_64", "1.0-r0", "1.1-r0"),
        ("install", "fresh", "x86_64", None, "1-r0"),
        ("downgrade", "tool", "x86_64", "2-r0", "1-r0"),
        ("remove", "old", "noarch", "3-r0", None),
    ]
    assert "upkeep" not in apk_change._without_virtual("breaks: .upkeep-patch-20261124.020024[tool=1.1-r0]")


WHOLE = {
    "everything": (["a", "b"], None),
    "a part": (["a"], "b 2 would come too"),
    "what does not come": (["a", "b", "c"], "does not bring c 2"),
}


@pytest.mark.parametrize("case", sorted(WHOLE))
def test_pacman_upgrades_all_or_nothing(case):
    asked, words = WHOLE[case]
    offers = [pacman_change.Offer(name, "any", "2", "core", {}) for name in ("a", "b", "new")]
    local = Local({name: {"NAME": [name], "VERSION": ["1"]} for name in ("a", "b")}, [])
    found = pacman_change._whole(wanted(*asked), offers, local)
    assert found is None if words is None else words in found
