# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The story of a patch run over all its hosts, as data: how each ended, and how long each state took. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..observation import Observation
from ..runs import Run
from .advice import advice
from .recorded import PHASE, is_document
from .steps import STATES
from .verdict import OUTCOMES


def story(run: Run, found: Mapping[str, Observation], fixed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`{"run", "hosts", "states", "outcomes", "fixed"}`: all hosts that the run was to patch, by name.

    `found` is what was recorded of them; one without a record is there as well, with the outcome None. `states` has
    `{"state", "hosts", "p50_ms", "p95_ms"}`.
    """
    targeted = [host for host, phase in run.expected() if phase == PHASE]
    hosts = [_host(run, name, found.get(name)) for name in sorted({*targeted, *found})]
    took = {state: [host["took_ms"][state] for host in hosts if state in host["took_ms"]] for state in STATES}
    return {
        "run": {key: getattr(run, key) for key in ("run_id", "project", "playbook", "started", "user", "controller")},
        "hosts": hosts,
        "states": [
            {"state": state, "hosts": len(each), "p50_ms": percentile(each, 50), "p95_ms": percentile(each, 95)}
            for state, each in took.items()
            if each
        ],
        "outcomes": _counted(hosts),
        "fixed": [dict(line) for line in fixed],
    }


def percentile(values: Sequence[int], rank: int) -> int | None:
    """The nearest-rank percentile, or None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-rank * len(ordered) // 100) - 1)] if ordered else None


def _host(run: Run, name: str, observation: Observation | None) -> dict[str, Any]:
    document = observation.data if observation is not None and is_document(observation.data) else None
    told = {
        "name": name,
        "status": observation.status if observation else "unknown",
        "outcome": document["outcome"] if document else None,
        "reason": observation.reason if observation else "missing: nothing was recorded of it in this run",
        "patch": document,
    }
    return {**told, "took_ms": _took(run, document), "next": advice(document) if document else _unrecorded(name)}


def _took(run: Run, document: Mapping[str, Any] | None) -> dict[str, int]:
    """By state, what this run took for it: states of runs that it goes on with are theirs."""
    entries = document["states"] if document else []
    return {
        entry["state"]: entry["duration_ms"]
        for entry in entries
        if entry["run_id"] == run.run_id and entry["duration_ms"] is not None and entry["status"] != "skipped"
    }


def _unrecorded(name: str) -> dict[str, Any] | None:
    return advice({"outcome": "needs_attention", "error_code": "interrupted_run", "host": name})


def _counted(hosts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    told = [host["outcome"] or "unknown" for host in hosts]
    return {outcome: told.count(outcome) for outcome in (*OUTCOMES, "unknown") if outcome in told}
