# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host is as it was planned, and as well as before, after a change or after its way back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..documents.text import listing
from . import compare
from .judgement import Judgement
from .policy import Policy

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """The data of each step; None: it did not run. `level` is the patch level from before the change.

    `health`, `after` and `begin` are of patch_health, patch_level and patch_begin.
    """

    plan: Data
    begin: Data | None = None
    level: Data | None = None
    health: Data | None = None
    applied: Data | None = None
    restart: Data | None = None
    reboot: Data | None = None
    after: Data | None = None


def judge(seen: Seen, policy: Policy, back: bool = False) -> Judgement:
    """`back`: the plan was to be undone, and nothing else."""
    said = Judgement("failed")
    _job(said, seen.applied)
    if seen.after is None:
        said.add("not_seen", "the patch level was not collected again: whether the plan was done is not known")
    else:
        actions = list(seen.plan.get("actions") or [])
        _packages(said, seen, seen.after, compare.undone(actions) if back else actions)
        _manager(said, seen.after)
        _services(said, seen.after)
        _reboot(said, seen.after, policy)
    if seen.health is None:
        said.add("not_seen", "the host's health was not looked at after the change")
    said.take(seen.health or {})
    _restarted(said, seen.restart)
    _kernel(said, seen.reboot)
    return said


def _job(said: Judgement, applied: Data | None) -> None:
    if applied is None:
        return
    if applied.get("job") not in (None, "ok"):
        said.add(
            "apply_failed", f"the package manager's job is {applied['job']}: {applied.get('progress') or 'no word'}"
        )
    said.add_each("half_configured", map(str, applied.get("unfinished") or []))
    leftovers = applied.get("config_leftovers") or []
    if leftovers:
        said.notes.append(f"edited configuration files were kept; the new ones lie beside them: {listing(leftovers)}")


def _packages(said: Judgement, seen: Seen, after: Data, actions: compare.Actions) -> None:
    now = compare.versions(after.get("installed") or [])
    # The level of a run that goes on with an earlier one was collected in the middle of the change.
    continues = (seen.begin or {}).get("continues")
    resumed = bool(continues)
    remembered = ((seen.begin or {}).get("before") or {}).get("packages")
    if resumed and remembered:
        before = _widened(compare.versions(remembered), now)
    elif seen.level is not None:
        before = compare.versions(seen.level.get("installed") or [])
    elif remembered:
        before = _widened(compare.versions(remembered), now)
    else:
        said.add("not_seen", "what was installed before is not known: whether anything else changed cannot be told")
        return
    found = compare.compare(before, now, actions)
    said.add_each("not_applied", found.missed)
    said.add_each("unplanned_change", found.unplanned)
    # So were its marks, which the package manager sets right as its last step. Of a run that had ended they are whole.
    if seen.level is not None and (not resumed or (continues or {}).get("stage") == "ended"):
        said.add_each("mark_changed", compare.marks(seen.level.get("installed") or [], after.get("installed") or []))


def _widened(before: compare.Versions, now: compare.Versions) -> compare.Versions:
    """The host remembers one version of each package: others that stand beside it now count as having been there."""
    return {name: those | now[name] if those <= now.get(name, set()) else those for name, those in before.items()}


def _manager(said: Judgement, after: Data) -> None:
    health, manager = after.get("health") or {}, after.get("manager")
    unconfigured = health.get("half_configured") or []
    if unconfigured and not said.has("half_configured"):
        names = [str(each.get("name") if isinstance(each, Mapping) else each) for each in unconfigured]
        said.add("half_configured", f"{listing(names)}: installed but not configured")
    if health.get("interrupted"):
        said.add("interrupted", f"{manager} is in the middle of a change")
    if health.get("unmet_dependencies"):
        said.add("unmet_dependencies", f"dependencies are not met: {listing(health['unmet_dependencies'], 3)}")


def _services(said: Judgement, after: Data) -> None:
    stale = after.get("services_stale") or []
    units = [str(each["unit"]) for each in stale if each.get("unit")]
    if units:
        said.notes.append(f"still running replaced code: {listing(units)}")


def _reboot(said: Judgement, after: Data, policy: Policy) -> None:
    reboot = after.get("reboot") or {}
    if not reboot.get("required"):
        return
    why = f" ({'; '.join(map(str, reboot['reasons']))})" if reboot.get("reasons") else ""
    if policy.reboot == "never":
        said.notes.append(f"a reboot is due{why}; patch_reboot is never")
    else:
        said.add("reboot_due", f"a reboot is still due{why}, though patch_reboot is {policy.reboot}")


def _restarted(said: Judgement, restart: Data | None) -> None:
    failed = (restart or {}).get("failed") or []
    said.add_each("restart_failed", (f"{each.get('unit')} did not restart: {each.get('why')}" for each in failed))


def _kernel(said: Judgement, reboot: Data | None) -> None:
    runs, wanted = (reboot or {}).get("kernel"), (reboot or {}).get("expected_kernel")
    if runs and wanted and runs != wanted:
        said.add("reboot_kernel", f"the kernel {runs} runs, and {wanted} was to run after the reboot")
