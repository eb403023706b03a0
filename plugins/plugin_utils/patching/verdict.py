# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a patch run of a host came to: the one place that decides its outcome. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .steps import BEFORE_CHANGE, STATE_OF, Step

OUTCOMES = ("patched", "nothing_to_do", "planned", "rolled_back", "refused", "failed", "needs_attention")

# What `patch_apply` refuses before it starts anything.
_NOTHING_STARTED = {
    "plan_moved", "plan_changed", "claimed", "needs_root", "unknown_run", "bad_patch_id", "patch_unreadable",
    "manager_unsupported", "file_changed", "not_fetched", "not_kept", "irreversible", "state_unwritable",
    "claim_lost",
}  # fmt: skip
# Stages of the host's own memory (upkeep.patch_state/1) in which packages may have been changed already.
_TOUCHED = ("applying", "applied", "restarted", "verified", "rolling_back")
# It may hang, or not have come up again, or its packages are between two versions: somebody has to look.
_NEEDS_A_LOOK = {"reboot_timeout", "half_configured", "interrupted", "unfinished"}


class Verdict(NamedTuple):
    """An outcome and why, as `code: text`; None where it went as it should."""

    outcome: str
    reason: str | None


@dataclass(frozen=True)
class Asked:
    """What the run was to do: `patch`, `report` (plan alone) or `rollback`; `predicted`: in check mode.

    `stage`: where an earlier run left the host; `why`: what had gone wrong in it.
    """

    mode: str = "patch"
    stage: str | None = None
    predicted: bool = False
    why: str | None = None

    @property
    def was_touched(self) -> bool:
        """An earlier run had begun to change the host."""
        return self.stage in _TOUCHED


def verdict(asked: Asked, steps: Mapping[str, Step]) -> Verdict:
    """The outcome. What is not known to be well is `needs_attention` as soon as a package may have been touched."""
    steps = {name: step for name, step in steps.items() if step.status != "skipped"}
    undrain = steps.get("undrain")
    if undrain and undrain.is_bad:
        return Verdict("needs_attention", f"undrain_failed: it is out of service still: {undrain.reason}")
    if asked.mode == "rollback":
        return _of_rollback(asked, steps)
    before = _first_bad(steps, BEFORE_CHANGE)
    if before:
        return _not_begun(asked, before)
    if asked.mode == "report" or asked.predicted:
        goes_on = asked.was_touched and "begin" in steps
        return Verdict("planned", None) if "plan" in steps or goes_on else _cut_off(asked, "plan")
    if _is_empty_plan(steps) and not asked.was_touched and "apply" not in steps:
        return Verdict("nothing_to_do", None)
    return _changed(asked, steps)


def _not_begun(asked: Asked, step: Step) -> Verdict:
    if asked.was_touched:
        told = f"unfinished: an earlier run left it in the middle, and this one could not go on: {step.reason}"
        return Verdict("needs_attention", told)
    return Verdict("refused", step.reason)


def _cut_off(asked: Asked, state: str) -> Verdict:
    told = f"cut_off: the run ended before it came to {state}"
    return Verdict("needs_attention" if asked.was_touched else "refused", told)


def _changed(asked: Asked, steps: Mapping[str, Step]) -> Verdict:
    apply = steps.get("apply")
    if apply is None and not asked.was_touched:
        return _cut_off(asked, "apply")
    if apply is not None and apply.is_bad:
        if not apply.data.get("job") and apply.answered and apply.code in _NOTHING_STARTED:
            return _not_begun(asked, apply)
        if _may_run(apply):
            return Verdict("needs_attention", f"apply_unknown: it may still install on the host: {apply.reason}")
    wrong = _first_bad(steps, ("apply", "restart", "verify"))
    if _has(steps, "rollback"):
        return _taken_back(asked, steps, wrong)
    if wrong is None:
        if "verify" not in steps and "level_after" not in steps:
            return Verdict(
                "needs_attention", "unverified: packages were changed, and nothing looked at what came of it"
            )
        return Verdict("patched", None)
    half = _half_done(steps, "apply")
    if half:
        return Verdict("needs_attention", half)
    if wrong.status == "unreachable" or not wrong.answered or wrong.code in _NEEDS_A_LOOK:
        return Verdict("needs_attention", wrong.reason)
    return Verdict("failed", wrong.reason)


def _may_run(step: Step) -> bool:
    """Nobody knows whether the job ended: it was seen running, or was not seen again after it was asked for."""
    return step.data.get("job") in (None, "running")


def _taken_back(asked: Asked, steps: Mapping[str, Step], wrong: Step | None) -> Verdict:
    failed = _first_bad(steps, ("rollback",))
    why = (wrong.reason if wrong else asked.why) or "rolled_back: an earlier run had begun to take it back"
    if failed:
        return Verdict("needs_attention", f"rollback_failed: {failed.reason}; it was taken back for {why}")
    half = _half_done(steps, "back_apply")
    return Verdict("needs_attention", half) if half else Verdict("rolled_back", why)


def _of_rollback(asked: Asked, steps: Mapping[str, Step]) -> Verdict:
    before = _first_bad(steps, BEFORE_CHANGE)
    if before:
        return _not_begun(asked, before)
    if asked.predicted:
        return Verdict("planned", None)
    back = steps.get("back_apply")
    if back is None:
        return _cut_off(asked, "rollback")
    if back.is_bad and back.answered and not back.data.get("job") and back.code in _NOTHING_STARTED:
        return _not_begun(asked, back)
    failed = _first_bad(steps, ("rollback", "verify"))
    if failed:
        return Verdict("needs_attention", f"rollback_failed: {failed.reason}")
    half = _half_done(steps, "back_apply")
    if half:
        return Verdict("needs_attention", half)
    if not {"back_level", "back_verify", "level_after", "verify"} & set(steps):
        return Verdict("needs_attention", "unverified: packages were changed, and nothing looked at what came of it")
    return Verdict("rolled_back", None)


def _half_done(steps: Mapping[str, Step], job: str) -> str | None:
    """Packages between two states, by the job's own look at its end."""
    step = steps.get(job)
    unfinished = list((step.data if step else {}).get("unfinished") or [])
    return f"half_configured: {'; '.join(map(str, unfinished[:5]))}" if unfinished else None


def _first_bad(steps: Mapping[str, Step], states: Collection[str | None]) -> Step | None:
    return next((step for step in steps.values() if STATE_OF[step.name] in states and step.is_bad), None)


def _has(steps: Mapping[str, Step], state: str) -> bool:
    return any(STATE_OF[step.name] == state for step in steps.values())


def _is_empty_plan(steps: Mapping[str, Step]) -> bool:
    for name, key in (("plan", "actions"), ("select", "wanted")):
        if name in steps:
            found: Any = steps[name].data.get(key)
            return isinstance(found, list) and not found
    return False
