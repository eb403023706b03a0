# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch run of a host as a document (upkeep.patch/1), from what its steps registered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .details import details
from .steps import STATES, Step, entries
from .verdict import Asked, verdict

SCHEMA = "upkeep.patch/1"
# What a module says of its own work, beside the plan.
_OF_TASK = ("started", "finished", "duration_ms")
_COUNTS = ("installed", "pending", "security", "blocked")


def made(facts: Mapping[str, Any], steps: Mapping[str, Step]) -> dict[str, Any]:
    """`composed`; where what a host returned makes no sense, of how each step ended alone: it has to be recorded."""
    try:
        return composed(facts, steps)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        bare = {name: replace(step, data=_essentials(step.data)) for name, step in steps.items()}
        note = f"what the steps returned made no sense ({error}), so only how each ended is recorded"
        return {**composed(facts, bare), "notes": [note]}


def _essentials(data: Mapping[str, Any]) -> dict[str, Any]:
    """What decides an outcome, and nothing else."""
    kept: dict[str, Any] = {key: data[key] for key in ("job", "patch_id") if isinstance(data.get(key), str)}
    stage = (data.get("continues") or {}).get("stage")
    return {**kept, "continues": {"stage": stage}} if isinstance(stage, str) else kept


def composed(facts: Mapping[str, Any], steps: Mapping[str, Step]) -> dict[str, Any]:
    """The document.

    `facts`: `project`, `run_id`, `host`, `mode` (patch, report, rollback), `predicted`, `patch_id`, `ring`,
    `rollback_of`, `drained`, `ran_by`, `tool`, `now` (ISO 8601), `proofs` (the proven backups relied upon), `was`
    (rollback: the document of the run that is undone).
    """
    began = _data(steps, "begin")
    earlier = began.get("continues") or {}
    asked = Asked(str(facts["mode"]), earlier.get("stage"), bool(facts.get("predicted")), _went_wrong(earlier))
    said = verdict(asked, steps)
    plan = plan_of(steps) or {}
    own = entries(steps, facts["run_id"], details(steps))
    states = merged(earlier.get("states") or [], own)
    changed = _changed(steps, "apply")
    reboot = _data(steps, "reboot") or _data(steps, "back_reboot")
    restart = _data(steps, "restart") or _data(steps, "back_restart")
    undrain = steps.get("undrain")
    now = str(facts["now"])
    started = _began(steps, own, now)
    return {
        "schema": SCHEMA,
        "project": facts["project"],
        "run_id": facts["run_id"],
        "patch_id": began.get("patch_id") or facts.get("patch_id") or facts["run_id"],
        "host": facts["host"],
        "mode": facts["mode"],
        "predicted": asked.predicted,
        "ring": facts.get("ring") or _data(steps, "admit").get("ring"),
        "rollback_of": facts.get("rollback_of"),
        "continued_from": [one for one in earlier.get("run_ids") or [] if one != facts["run_id"]],
        "outcome": said.outcome,
        "reason": said.reason,
        "error_code": said.reason.partition(":")[0] if said.reason else None,
        "started": started,
        "finished": now,
        "duration_ms": max(took_ms(started, now), sum(entry["duration_ms"] or 0 for entry in own)),
        "manager": plan.get("manager") or _data(steps, "level").get("manager"),
        "plan_sha256": plan.get("plan_sha256") or earlier.get("plan_sha256"),
        "policy_sha256": plan.get("policy_sha256") or _data(steps, "select").get("policy_sha256"),
        "states": states,
        "before": counts(_data(steps, "level")),
        "after": counts(_data(steps, "back_level") or _data(steps, "level_after")),
        "planned": None if plan.get("actions") is None else len(plan["actions"]),
        "left_out": [dict(each) for each in plan.get("left_out") or []],
        "changed": [_with_security(each, steps) for each in changed],
        "taken_back": _changed(steps, "back_apply"),
        "config_leftovers": _both(steps, "config_leftovers"),
        "unfinished": list((_data(steps, "back_apply") or _data(steps, "apply")).get("unfinished") or []),
        "irreversible": list(_data(steps, "protect").get("irreversible") or []),
        "kept": sum(1 for each in _data(steps, "protect").get("kept") or [] if each.get("file")),
        "fetched_bytes": _data(steps, "protect").get("fetched_bytes"),
        "backups": [dict(each) for each in facts.get("proofs") or []],
        "restarted": [each.get("unit") for each in restart.get("restarted") or []],
        "not_restarted": _not_restarted(restart),
        "rebooted": bool(reboot.get("rebooted")),
        "kernel": {"before": _kernel(began, steps), "after": reboot.get("kernel") or _kernel({}, steps, after=True)},
        "drained": bool(facts.get("drained")),
        "undrained": None if undrain is None else not undrain.is_bad,
        "problems": _problems(steps),
        "notes": _once([*_to_go_on(asked, began), *_notes(steps)]),
        "ran_by": dict(facts["ran_by"]),
        "tool": dict(facts["tool"]),
    }


def soaked(document: Mapping[str, Any], soak: Step, run_id: str) -> dict[str, Any]:
    """The document of a host that was patched, after its health was looked at again.

    How long the host took does not change: the ring's soak time is not its own.
    """
    later = {"soak": soak}
    own = [{**entry, "run_id": run_id} for entry in entries(later, run_id, details(later))]
    reason = f"soak_failed: after the soak time: {soak.reason}" if soak.is_bad else document["reason"]
    # The states of this run stand once each: what verification found is told together with what soaking did.
    verified = [each for each in document["states"] if (each["run_id"], each["state"]) == (run_id, "verify")]
    return {
        **document,
        "outcome": "needs_attention" if soak.is_bad else document["outcome"],
        "reason": reason,
        "error_code": reason.partition(":")[0] if reason else None,
        "states": merged(document["states"], [_together(each, own[0]) for each in verified] or own),
        "problems": [*document["problems"], *_problems(later)],
    }


def _together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    took = [each["duration_ms"] for each in (first, second) if each["duration_ms"] is not None]
    detail = "; ".join(each["detail"] for each in (first, second) if each["detail"])
    return {**first, **second, "started": first["started"], "duration_ms": sum(took), "detail": detail or None}


def plan_of(steps: Mapping[str, Step]) -> dict[str, Any] | None:
    """The plan (upkeep.plan/1) that this run made, else that of the run that it goes on with or undoes."""
    for found in (_data(steps, "plan"), _data(steps, "begin").get("plan"), _data(steps, "back").get("plan")):
        if isinstance(found, Mapping) and found.get("actions") is not None:
            return {key: each for key, each in found.items() if key not in _OF_TASK}
    return None


def log_of(steps: Mapping[str, Step], name: str) -> str | None:
    """What the package manager wrote, as far as it was returned; None where nothing was."""
    log = _data(steps, name).get("log")
    return log if isinstance(log, str) and log else None


def merged(earlier: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The timeline: what earlier runs noted on the host, then this one's, each state once a run, in its order."""
    runs = list(dict.fromkeys(entry.get("run_id") for entry in (*earlier, *own)))
    found = {(entry.get("run_id"), entry.get("state")): dict(entry) for entry in (*earlier, *own)}
    return [found[run, state] for run in runs for state in STATES if (run, state) in found]


def counts(level: Mapping[str, Any]) -> dict[str, Any] | None:
    """The counts of a patch level, or None where it was not seen."""
    found = level.get("counts")
    return {key: found.get(key) for key in _COUNTS} if isinstance(found, Mapping) else None


def _to_go_on(asked: Asked, began: Mapping[str, Any]) -> list[str]:
    """What a run would do that only looks at a host which an earlier one left in the middle."""
    if not asked.was_touched or not (asked.predicted or asked.mode == "report"):
        return []
    what = "take back" if asked.stage == "rolling_back" else "finish"
    told = f"run {began.get('patch_id')} left it in the middle ({asked.stage})"
    return [f"{told}: the next patch run would {what} what that one planned, and make no plan of its own"]


def _notes(steps: Mapping[str, Step]) -> list[str]:
    return [note for step in steps.values() for note in step.data.get("notes") or []]


def _data(steps: Mapping[str, Step], name: str) -> Mapping[str, Any]:
    return steps[name].data if name in steps else {}


def _changed(steps: Mapping[str, Step], job: str) -> list[dict[str, Any]]:
    return [
        {key: each.get(key) for key in ("name", "arch", "from", "to")}
        for each in _data(steps, job).get("changed") or []
    ]


def _with_security(change: Mapping[str, Any], steps: Mapping[str, Step]) -> dict[str, Any]:
    """The change with `security` and `why`: what the patch level before and the plan said of it; null: nothing."""
    key = (change["name"], change["arch"])
    pending = {(each.get("name"), each.get("arch")): each for each in _data(steps, "level").get("pending") or []}
    actions = {(each.get("name"), each.get("arch")): each for each in (plan_of(steps) or {}).get("actions") or []}
    return {
        **change,
        "security": pending[key].get("security") if key in pending else None,
        "why": actions[key].get("why") if key in actions else None,
    }


def _both(steps: Mapping[str, Step], key: str) -> list[Any]:
    return _once(each for job in ("apply", "back_apply") for each in _data(steps, job).get(key) or [])


def _not_restarted(restart: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for kind in ("failed", "excluded", "deferred", "left"):
        for each in restart.get(kind) or []:
            unit, why = (each.get("unit"), each.get("why")) if isinstance(each, Mapping) else (each, None)
            found.append({"unit": unit, "kind": kind, "why": why})
    return found


def _kernel(began: Mapping[str, Any], steps: Mapping[str, Step], after: bool = False) -> Any:
    boot = (began.get("before") or {}).get("boot") or {}
    level = _data(steps, "level_after" if after else "level").get("kernel")
    return boot.get("kernel") or (level.get("running") if isinstance(level, Mapping) else None)


def _problems(steps: Mapping[str, Step]) -> list[dict[str, Any]]:
    """Every problem that a judge named, and what went wrong after all was done."""
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for step in steps.values():
        told = [(each.get("code"), each.get("message")) for each in step.data.get("problems") or []]
        if step.is_bad and step.reason and not told:
            code, _colon, message = step.reason.partition(": ")
            told = [(code, message)]
        for code, message in told:
            found.setdefault((code, message), {"step": step.name, "code": code, "message": message})
    return list(found.values())


def _went_wrong(earlier: Mapping[str, Any]) -> str | None:
    """Why an earlier run had begun to take the host back, by the states that it noted there."""
    told = [entry.get("detail") for entry in earlier.get("states") or [] if entry.get("status") == "failed"]
    return next((str(detail) for detail in told if detail), None)


def _once(notes: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for note in notes:
        if note not in found:
            found.append(note)
    return found


def _began(steps: Mapping[str, Step], own: Sequence[Mapping[str, Any]], now: str) -> str:
    """When this run began with the host: by the controller's clock where it says so."""
    said = [_data(steps, "admit").get("started"), *(entry["started"] for entry in own)]
    began = next((when for when in said if when), now)
    return began if began <= now else now


def finished_at(document: Mapping[str, Any], state: str) -> str | None:
    """When a state ended for the last time."""
    ended = [
        each["finished"] for each in document.get("states") or [] if each.get("state") == state and each["finished"]
    ]
    return max(ended, default=None)


def took_ms(started: str, finished: str) -> int:
    """Milliseconds between two ISO times; 0 where the second comes first (two clocks)."""
    return max(0, int((times.parse(finished) - times.parse(started)).total_seconds() * 1000))
