# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy: every mistake is found, and named."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import policy
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.policy import Limit, Policy
from hypothesis import given
from hypothesis import strategies as st

TODAY = date(2026, 11, 24)
ROLE = Path(__file__).resolve().parents[5] / "roles" / "patch"
RULE = {"name": "soon", "match": {"severity": ["critical"], "security": True}, "approve_after": "12h"}
EXCEPTION = {"package": "erp*", "reason": "breaks the ERP", "approver": "Ann", "expires": "2026-12-31"}


def parse(**variables):
    return policy.parse({f"patch_{name}": value for name, value in variables.items()}, TODAY)


def test_a_whole_policy():
    found = parse(
        mode="list",
        list="openssl, libc* bash=5.2",
        rules=[RULE, {"name": "rest", "approve": "no"}],
        exceptions=[EXCEPTION],
        windows=[{"days": "tue", "from": "22:00", "to": "04:00", "timezone": "Europe/Berlin"}],
        ring_failures="10%",
        removals="allow",
        budget="3600",
    )
    assert [str(each) for each in found.listed] == ["openssl", "libc*", "bash=5.2"]
    assert found.rules[0].after == timedelta(hours=12) and found.rules[0].security is True
    assert not found.rules[1].approve and found.exceptions[0].package == ("erp*",)
    assert (found.budget, found.removals, str(found.ring_failures)) == (3600, True, "10%")
    assert str(found.windows[0]) == "tue 22:00 to 04:00 Europe/Berlin"


def test_null_and_nothing_are_not_given():
    nothing = dict.fromkeys(name.removeprefix("patch_") for name in policy.NAMES)
    assert parse(**nothing) == parse(**dict.fromkeys(nothing, "")) == parse() == Policy()


def test_the_defaults_are_the_roles():
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert set(policy.NAMES) <= set(defaults)
    assert policy.parse({name: defaults[name] for name in policy.NAMES}, TODAY) == Policy()


def test_the_choices_and_keys_are_the_roles():
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    for name in policy.NAMES:
        for choice in options[name].get("choices", ()):
            parse(**{name.removeprefix("patch_"): choice, **({"list": ["a"]} if choice == "list" else {})})
    for name, entry in (("rules", RULE), ("exceptions", EXCEPTION)):
        with pytest.raises(UpkeepError) as caught:
            parse(**{name: [{**entry, "no such": 1}]})
        for key in options[f"patch_{name}"]["options"]:
            assert key in caught.value.message


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"mode": "everything"}, "patch_mode: 'everything' is none of report, security, all, list"),
        ({"mode": "list"}, "patch_mode is list, but patch_list names no package"),
        ({"mode": "list", "list": ["a="]}, "patch_list, entry 1: 'a=' is neither a name nor name=version"),
        ({"rules": {"name": "x"}}, "patch_rules: {'name': 'x'} is no list"),
        ({"rules": ["x"]}, "patch_rules, entry 1: 'x' is no entry with the keys name, match"),
        ({"rules": [{"match": {}}]}, "patch_rules, entry 1: name is missing"),
        (
            {"rules": [RULE, {**RULE, "name": "late", "approve_after": "7 weeks"}]},
            "patch_rules, entry 2 (late): approve_after: '7 weeks' is no duration; write 30m, 12h, 3d or 2w",
        ),
        ({"rules": [{"name": "x", "match": {"severity": ["urgent"]}}]}, "match.severity: 'urgent' is none of critical"),
        (
            {"rules": [{"name": "x", "match": {"severities": ["low"]}}]},
            "there is no key severities; there are",
        ),
        ({"rules": [{"name": "x", "match": {"security": "maybe"}}]}, "match.security: 'maybe' is neither true nor"),
        ({"rules": [{"name": "x", "approve": False, "approve_after": "3d"}]}, "approve_after would mean nothing"),
        ({"rules": [RULE, RULE]}, "two rules are called soon"),
        ({"exceptions": [{**EXCEPTION, "approver": None}]}, "patch_exceptions, entry 1: approver is missing"),
        (
            {"exceptions": [{**EXCEPTION, "expires": "31.12.2026"}]},
            "expires: '31.12.2026' is no day; write it as",
        ),
        ({"exceptions": [{**EXCEPTION, "expires": "2026-02-30"}]}, "expires: '2026-02-30' is no day"),
        (
            {"exceptions": [{**EXCEPTION, "expires": "2027-09-01"}]},
            "281 days off, and an exception lasts at most 180",
        ),
        ({"exceptions": [{**EXCEPTION, "package": []}]}, "package names none"),
        ({"windows": [{"from": "22:00"}]}, "patch_windows, entry 1: to is missing"),
        ({"ring_failures": "a few"}, "patch_ring_failures: 'a few' is neither a number of hosts nor a part"),
        ({"ring_failures": "120%"}, "is more than all hosts"),
        ({"budget": -1}, "patch_budget: -1 is no whole number from 0 on"),
        ({"soak": -3}, "patch_soak: -3 is no whole number from 0 on"),
        ({"keep_runs": "0"}, "patch_keep_runs: '0' is no whole number from 1 on"),
        ({"apply_timeout": 0}, "patch_apply_timeout: 0 is no whole number from 1 on"),
        ({"budget": True}, "patch_budget: True is no whole number"),
        ({"outside_window": "perhaps"}, "patch_outside_window: 'perhaps' is neither true nor false"),
        ({"backup_sets": [["etc"]]}, "patch_backup_sets: ['etc'] is no text"),
    ],
)
def test_what_is_wrong_is_named(variables, said):
    with pytest.raises(UpkeepError) as caught:
        parse(**variables)
    assert caught.value.code == "invalid_policy" and said in caught.value.message
    assert len(caught.value.details["problems"]) == 1


def test_all_mistakes_are_named_at_once():
    with pytest.raises(UpkeepError) as caught:
        parse(mode="x", rules=[{"name": "a", "approve_after": "x"}], windows=[{}, {}], budget="x")
    assert len(caught.value.details["problems"]) == 5


def test_an_exception_may_have_ended_and_its_last_day_counts():
    (one,) = parse(exceptions=[{**EXCEPTION, "expires": "2026-10-31"}]).exceptions
    assert not policy.active(one, TODAY)
    (one,) = parse(exceptions=[{**EXCEPTION, "expires": "2026-11-24"}]).exceptions
    assert policy.active(one, TODAY) and not policy.active(one, TODAY + timedelta(days=1))


def test_the_hash_is_of_what_decides_a_plan():
    rest = {"name": "rest", "approve_after": "7d"}
    base = parse(rules=[RULE, rest]).sha256
    assert len(base) == 64
    assert base == parse(rules=[{**RULE, "match": {**RULE["match"], "origin": None}}, rest], mode=None).sha256
    assert base == parse(rules=[RULE, rest], budget=60, windows=[{"from": "1:00", "to": "2:00"}]).sha256
    for other in (
        {"rules": [rest, RULE]},  # the first that matches decides
        {"rules": [RULE]},
        {"rules": [RULE, rest], "mode": "all"},
        {"rules": [RULE, rest], "exceptions": [EXCEPTION]},
        {"rules": [RULE, rest], "removals": "allow"},
        {"rules": [RULE, rest], "irreversible": "refuse"},
    ):
        assert parse(**other).sha256 != base


@pytest.mark.parametrize(
    ("limit", "hosts", "number"),
    [(Limit(), 10, 0), (Limit(2), 10, 2), (Limit(10, True), 9, 0), (Limit(10, True), 25, 2), (Limit(100, True), 3, 3)],
)
def test_how_many_may_fail(limit, hosts, number):
    assert limit.of(hosts) == number


WORDS = st.sampled_from(
    ["name", "match", "from", "to", "22:00", "04:00", "expires", "2026-12-31", "x", "", "10%", "3d"]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 2000) | st.floats() | WORDS
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=8
)


@given(st.dictionaries(st.sampled_from(policy.NAMES), ANYTHING, max_size=4))
def test_whatever_is_given_makes_a_policy_or_a_sentence(variables):
    try:
        made = policy.parse(variables, TODAY)
    except UpkeepError as error:
        assert error.code == "invalid_policy" and error.details["problems"]
        assert all(problem.startswith("patch_") for problem in error.details["problems"])
    else:
        assert len(made.sha256) == 64
