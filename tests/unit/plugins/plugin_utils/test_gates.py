# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import gates

GOOD = {"id": "coverage", "query": "fleet.coverage_pct", "op": "ge", "value": 80, "owner": "ops_lead"}
REPORT = {
    "fleet": {"coverage_pct": 80},
    "text": "80",
    "flag": True,
    "endless": float("inf"),
    "list": [1, 2],
    "unknown_because": {"x.y": "no feed"},
}


@pytest.mark.parametrize(
    ("query", "op", "value", "status", "observed"),
    [
        ("fleet.coverage_pct", "ge", 80, "pass", 80),
        ("fleet.coverage_pct", "gt", 80, "fail", 80),
        ("fleet.coverage_pct", "le", 80, "pass", 80),
        ("fleet.coverage_pct", "lt", 80, "fail", 80),
        ("fleet.coverage_pct", "eq", 80.0, "pass", 80),
        ("fleet.coverage_pct", "ne", 80, "fail", 80),
        ("length(list)", "eq", 2, "pass", 2),
        ("fleet.coverage", "ge", 0, "unknown", None),
        ("text", "eq", 80, "unknown", "80"),
        ("flag", "eq", 1, "unknown", True),
        ("endless", "gt", 1, "unknown", float("inf")),
        ("list", "eq", 2, "unknown", [1, 2]),
        ("length(flag)", "eq", 1, "unknown", None),
    ],
)
def test_three_values(query, op, value, status, observed):
    (result,) = gates.evaluate(gates.parse([{**GOOD, "query": query, "op": op, "value": value}]), REPORT)
    assert (result["status"], result["observed"]) == (status, observed)
    assert bool(result["reason"]) == (status != "pass")


def test_unknown_says_why_where_the_report_knows():
    (result,) = gates.evaluate(gates.parse([{**GOOD, "query": "x.y"}]), REPORT)
    assert result["reason"] == "no feed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query": "fleet.["}, "no JMESPath"),
        ({"query": "nofunction("}, "no JMESPath"),
        ({"query": None}, "its query is missing"),
        ({"op": "=="}, "use one of eq, ne"),
        ({"value": "80"}, "give a number"),
        ({"value": None}, "give a number"),
        ({"value": float("inf")}, "give a number"),
        ({"value": float("nan")}, "give a number"),
        ({"value": True}, "give a number"),
        ({"valeu": 1}, "valeu"),
        ({"id": ""}, "gate number 1"),
    ],
)
def test_bad_gates_are_refused_with_what_is_wrong(change, words):
    with pytest.raises(UpkeepError) as caught:
        gates.parse([{**GOOD, **change}])
    assert caught.value.code == "bad_gate" and words in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("bad", ["coverage", {"id": 1}, [1], [GOOD, GOOD]])
def test_what_is_no_list_of_gates(bad):
    with pytest.raises(UpkeepError):
        gates.parse(bad)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "unknown"], "unknown"),
        (["unknown", "fail", "pass"], "fail"),
        ([], "unknown"),
    ],
)
def test_verdict(statuses, expected):
    assert gates.verdict([{"status": status} for status in statuses]) == expected
