# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policy gates: a number asked of the report, compared with what is wanted. Unknown is no pass."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

REPORT = "reports/report.json"
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_WORST_FIRST = ("fail", "unknown", "pass")


@dataclass(frozen=True)
class Gate:
    """`query` is JMESPath over the report and must find a number, which `op` compares with `value`."""

    id: str
    query: str
    op: str
    value: float
    owner: str | None = None
    title: str | None = None


def parse(gates: Any) -> list[Gate]:
    """The gates of plain data. Raises UpkeepError `bad_gate` with the gate's id and what is wrong.

    Without jmespath a query is not looked into: who only records does not need it.
    """
    if not isinstance(gates, list):
        raise UpkeepError("bad_gate", "the gates are no list: give a list of {id, query, op, value, owner}.")
    parsed = [_parse_one(number, gate) for number, gate in enumerate(gates, 1)]
    for number, gate in enumerate(parsed):
        if any(gate.id == other.id for other in parsed[:number]):
            raise _bad(gate.id, "there are two of this id", "give each gate an id of its own")
    return parsed


def _parse_one(number: int, gate: Any) -> Gate:
    name = str(gate.get("id") or f"number {number}") if isinstance(gate, Mapping) else f"number {number}"
    if not isinstance(gate, Mapping):
        raise _bad(name, "it is no mapping", "give {id, query, op, value, owner}")
    for key in ("id", "query", "op"):
        if not isinstance(gate.get(key), str) or not gate[key]:
            raise _bad(name, f"its {key} is missing or no text", "give {id, query, op, value, owner}")
    if gate["op"] not in _OPERATORS:
        raise _bad(name, f"its op is {gate['op']!r}", f"use one of {', '.join(_OPERATORS)}")
    if not _is_number(gate.get("value")):
        raise _bad(name, f"its value is {gate.get('value')!r}", "give a number")
    unknown = sorted(set(gate) - {"id", "query", "op", "value", "owner", "title"})
    if unknown:
        raise _bad(name, f"it has {', '.join(map(str, unknown))}", "known are id, query, op, value, owner, title")
    _compile(name, gate["query"])
    owner, title = gate.get("owner"), gate.get("title")
    return Gate(gate["id"], gate["query"], gate["op"], gate["value"], owner or None, title or None)


def evaluate(gates: Sequence[Gate], report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each gate with `observed`, `status` (pass, fail, unknown), `reason` and `evidence`. Raises `jmespath_missing`."""
    return [_evaluate_one(gate, report) for gate in gates]


def verdict(results: Sequence[Mapping[str, Any]]) -> str:
    """fail if any gate fails, else unknown if any is unknown or there are none, else pass."""
    return min((result["status"] for result in results), key=_WORST_FIRST.index, default="unknown")


def _evaluate_one(gate: Gate, report: Mapping[str, Any]) -> dict[str, Any]:
    compiled = _compile(gate.id, gate.query)
    if compiled is None:
        raise UpkeepError(
            "jmespath_missing", "gates need the Python library jmespath on the controller: install it there."
        )
    import jmespath.exceptions

    observed, status, reason = None, "unknown", None
    try:
        observed = compiled.search(report)
    except jmespath.exceptions.JMESPathError as error:
        reason = f"the query failed: {' '.join(str(error).split())}"
    if _is_number(observed):
        status = "pass" if _OPERATORS[gate.op](observed, gate.value) else "fail"
        reason = None if status == "pass" else f"{gate.query} is {observed:g}, wanted {SIGNS[gate.op]} {gate.value:g}"
    elif reason is None:
        what = "nothing" if observed is None else f"no number but {type(observed).__name__}"
        reason = _why_unknown(gate.query, report) or f"{gate.query} found {what}"
    return {
        "id": gate.id, "title": gate.title, "query": gate.query, "op": gate.op, "value": gate.value,
        "owner": gate.owner, "observed": observed, "status": status, "reason": reason,
        "evidence": [f"{REPORT}: {gate.query}"],
    }  # fmt: skip


def _why_unknown(query: str, report: Mapping[str, Any]) -> str | None:
    """The report's own words for a figure that it does not have: `unknown_because` maps a query to them."""
    because = report.get("unknown_because") or {}
    return because.get(query) if isinstance(because, Mapping) else None


def _compile(name: str, query: str) -> Any:
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        return None
    try:
        return jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as error:
        raise _bad(name, f"its query {query!r} is no JMESPath ({' '.join(str(error).split())})", "correct the query")


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(name: str, what: str, todo: str) -> UpkeepError:
    return UpkeepError("bad_gate", f"gate {name}: {what}; {todo}.", gate=name)
