# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks of a patch run registered, step by step, and the states that they make up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import outcome
from ..observation import Part

STATES = ("preflight", "plan", "protect", "apply", "restart", "verify", "rollback")

# Each step of the role and the state that it belongs to; None: it is work around the states.
STATE_OF: dict[str, str | None] = {
    "admit": "preflight", "begin": "preflight", "level": "preflight", "preflight": "preflight", "back": "preflight",
    "select": "plan", "plan": "plan",
    "protected": "protect", "backup": "protect", "protect": "protect", "drain": "protect",
    "apply": "apply",
    "restart": "restart", "reboot": "restart",
    "level_after": "verify", "health": "verify", "verify": "verify", "soak": "verify",
    "back_apply": "rollback", "back_restart": "rollback", "back_reboot": "rollback", "back_level": "rollback",
    "back_health": "rollback", "back_verify": "rollback",
    "undrain": None, "end": None,
}  # fmt: skip
# Steps whose times are by the host's clock; the others' are by the controller's.
_ON_HOST = {
    "begin", "level", "plan", "protect", "apply", "restart", "level_after", "health", "soak", "back_apply",
    "back_restart", "back_level", "back_health",
}  # fmt: skip
# What modules promise of their data: lists of mappings, lists, mappings.
_RECORDS = {
    "actions", "left_out", "pending", "installed", "steps", "changed", "kept", "irreversible", "sets", "problems",
    "checks", "restarted", "wanted", "states",
}  # fmt: skip
_LISTS = {"notes", "config_leftovers", "unfinished", "excluded", "deferred", "left", "run_ids"}
_MAPPINGS = {"counts", "before", "continues", "plan", "boot"}
_NESTED = {"before", "continues", "plan"}
_LEVELS = ("level_after", "back_level")
# Nothing is changed by then: what goes wrong is a refusal.
BEFORE_CHANGE = ("preflight", "plan", "protect")


@dataclass(frozen=True)
class Step:
    """What one step came to. `status`: ok, failed, refused, skipped, or unreachable; `reason` is `code: text`.

    `answered`: it is a module's own answer, so the module did not die on the way.
    """

    name: str
    status: str
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: int | None = None
    changed: bool = False
    answered: bool = True

    @property
    def code(self) -> str | None:
        """The stable code in front of the reason."""
        return self.reason.partition(":")[0] if self.reason else None

    @property
    def is_bad(self) -> bool:
        """It stopped the run."""
        return self.status in ("failed", "refused", "unreachable")


def read(results: Mapping[str, Any]) -> dict[str, Step]:
    """The steps by name, in the order of `STATE_OF`; those without a result did not run. UpkeepError `bad_results`."""
    unknown = sorted(set(results) - set(STATE_OF))
    if unknown:
        known = ", ".join(STATE_OF)
        raise UpkeepError("bad_results", f"results of unknown steps: {', '.join(unknown)}; there are {known}.")
    return {name: step_of(name, results[name]) for name in STATE_OF if results.get(name)}


def with_failure(results: Mapping[str, Any], failed: Any, step: str | None = None) -> dict[str, Any]:
    """The results with that of a task that failed and registered nothing here, under `step`.

    Without `step` it counts only where no step went wrong, as the one after the last that ran.
    """
    told = dict(results)
    if not isinstance(failed, Mapping) or not failed:
        return told
    if failed.get("_ansible_no_log"):
        failed = {"msg": "it failed, and its no_log hides why"}
    as_failed = failed if failed.get("unreachable") else {**failed, "failed": True}
    if step:
        return told if isinstance(told.get(step), Mapping) else {**told, step: as_failed}
    ran = read(told)
    if any(each.is_bad for each in ran.values()):
        return told
    order = [name for name, state in STATE_OF.items() if state and state != "rollback" and name not in ("back", "soak")]
    last = max((order.index(name) for name in ran if name in order), default=-1)
    return {**told, order[min(last + 1, len(order) - 1)]: as_failed}


def step_of(name: str, result: Any) -> Step:
    """One registered result (of a loop too), whatever became of it."""
    result = result if isinstance(result, Mapping) else {"failed": True, "msg": f"no result ({result})"}
    parts = outcome.parts_of("patch_step", result, None)[0]
    part = next((each for each in parts if each.status in ("failed", "unknown")), parts[0])
    data = sane(part.data) if isinstance(part.data, Mapping) else {}
    status, reason = _status(name, part, data, result)
    answered = not result.get("unreachable") and not (result.get("failed") and not result.get("error_code"))
    return Step(name, status, reason, data, part.duration_ms, part.changed, answered)


def sane(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returned without what is not of the type that it promises: a rescue has to tell of the rest."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key in _RECORDS:
            if isinstance(value, list):
                found[key] = [each for each in value if isinstance(each, Mapping)]
        elif key in _MAPPINGS:
            if isinstance(value, Mapping):
                found[key] = sane(value) if key in _NESTED else dict(value)
        elif key not in _LISTS or isinstance(value, list):
            found[key] = value
    return found


def _status(name: str, part: Part, data: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, str | None]:
    if result.get("unreachable"):
        return "unreachable", part.reason
    refused = _refusal(data)
    if refused:
        return "refused", refused
    if data.get("job") in ("failed", "died", "running"):
        return "failed", part.reason if result.get("error_code") else _of_job(str(data["job"]), data)
    if name == "soak" and data.get("problems"):
        return "failed", first_problem(data)
    if part.status in ("failed", "unknown", "incomplete") or data.get("status") == "failed":
        reason = first_problem(data) or _given(data, name) or part.reason
        may_be_refusal = STATE_OF[name] in BEFORE_CHANGE and bool(result.get("error_code"))
        return ("refused" if may_be_refusal else "failed"), reason
    return ("skipped" if part.status == "skipped" else "ok"), None


def _given(data: Mapping[str, Any], name: str) -> str | None:
    """What a module says that answers `status: failed` instead of failing its task."""
    if data.get("status") != "failed":
        return None
    failed = data.get("failed")
    if isinstance(failed, list) and failed:
        told = ", ".join(f"{each.get('unit')}: {each.get('why')}" for each in failed if isinstance(each, Mapping))
        return f"{name}_failed: {outcome.one_line(told)}"
    return f"{name}_failed: {outcome.one_line(data.get('reason') or 'its result says failed')}"


def _refusal(data: Mapping[str, Any]) -> str | None:
    if data.get("admitted") is False:
        return f"{data.get('code') or 'not_admitted'}: {outcome.one_line(data.get('reason') or 'it was not admitted')}"
    if data.get("protected") is False:
        sets = [each for each in data.get("sets") or [] if isinstance(each, Mapping) and not each.get("ok")]
        why = "; ".join(f"{each.get('backup')}: {each.get('why')}" for each in sets) or "the host has no backup set"
        return f"unprotected: no proven backup is young enough ({outcome.one_line(why)})"
    refused = data.get("refused")
    if isinstance(refused, Mapping):
        return _coded(refused)
    if data.get("status") == "refused":
        return first_problem(data) or f"refused: {outcome.one_line(data.get('reason') or 'its result says so')}"
    return None


def first_problem(data: Mapping[str, Any]) -> str | None:
    """`code: message` of the first problem, and how many more there are."""
    problems = [each for each in data.get("problems") or [] if isinstance(each, Mapping)]
    if not problems:
        return None
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _coded(problems[0]) + more


def _coded(problem: Mapping[str, Any]) -> str:
    return f"{problem.get('code') or 'problem'}: {outcome.one_line(problem.get('message') or 'no message')}"


def _of_job(job: str, data: Mapping[str, Any]) -> str:
    named = data.get("failed_step")
    failed = next((step for step in data.get("steps") or [] if step.get("name") == named and named), None)
    last = outcome.one_line(data.get("progress") or "")
    said = f"; it said last: {last}" if last else ""
    if job == "failed" and failed:
        return f"apply_failed: step {failed.get('name')} of the package manager ended with {failed.get('rc')}{said}"
    words = {
        "failed": "apply_failed: the package manager failed",
        "died": "apply_died: the package manager was ended before it was done",
        "running": "apply_runs: the package manager still runs on the host",
    }
    return f"{words[job]}{said}"


def entries(steps: Mapping[str, Step], run_id: str, details: Mapping[str, str]) -> list[dict[str, Any]]:
    """The state entries that the steps make up, in the order of `STATES`; a state without a step is not there.

    `details`: by state, what it came to where it went well.
    """
    found = []
    for state in STATES:
        own = [step for step in steps.values() if STATE_OF[step.name] == state]
        # The patch level alone was collected to know of a reboot: nobody has verified anything by it.
        if any(step.name not in _LEVELS or step.is_bad for step in own):
            found.append(_entry(state, own, run_id, details.get(state)))
    return found


def _entry(state: str, own: list[Step], run_id: str, detail: str | None) -> dict[str, Any]:
    bad = next((step for step in own if step.is_bad), None)
    skipped = all(step.status == "skipped" for step in own)
    status = ("refused" if bad.status == "refused" else "failed") if bad else "skipped" if skipped else "ok"
    spans = [(step.data["started"], step.data["finished"]) for step in own if _has_times(step.data)]
    return {
        "state": state,
        "started": min((span[0] for span in spans), default=None),
        "finished": max((span[1] for span in spans), default=None),
        "duration_ms": _duration_ms(own),
        "status": status,
        "detail": (bad.reason if bad else detail) or None,
        "run_id": run_id,
    }


def _duration_ms(own: list[Step]) -> int | None:
    """What the steps took, or the time from the first to the last by one clock, which may be off from the other's."""
    known = [step.duration_ms for step in own if step.duration_ms is not None]
    walls = [_wall_ms(step for step in own if (step.name in _ON_HOST) == on_host) for on_host in (True, False)]
    told = ([sum(known)] if known else []) + [wall for wall in walls if wall is not None]
    return max(told, default=None)


def _wall_ms(steps: Iterable[Step]) -> int | None:
    spans = [
        (times.parse(step.data["started"]), times.parse(step.data["finished"]))
        for step in steps
        if _has_times(step.data)
    ]
    if not spans:
        return None
    return int((max(span[1] for span in spans) - min(span[0] for span in spans)).total_seconds() * 1000)


def _has_times(data: Mapping[str, Any]) -> bool:
    try:
        return times.parse(data["started"]) <= times.parse(data["finished"])
    except (KeyError, TypeError, ValueError):
        return False
