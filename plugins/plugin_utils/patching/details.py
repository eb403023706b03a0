# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each state of a patch run came to, in a few words: the details of its entries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..documents.text import amount, duration, listing, plural, size
from .steps import Step


def details(steps: Mapping[str, Step]) -> dict[str, str]:
    """By state, words for one that went well."""
    data = {name: step.data for name, step in steps.items()}
    return {state: told for state, words in _WORDS.items() if (told := words(data))}


def _preflight(data: Mapping[str, Any]) -> str:
    counts = data.get("level", {}).get("counts") or {}
    told = (
        [f"{amount(counts.get('pending'))} pending, {amount(counts.get('security'))} of them security"]
        if counts
        else []
    )
    continues = data.get("begin", {}).get("continues")
    told += [f"goes on with run {data['begin'].get('patch_id')}"] if continues else []
    return "; ".join(told)


def _plan(data: Mapping[str, Any]) -> str:
    actions = data.get("plan", {}).get("actions")
    if actions is None:
        return ""
    left_out = data["plan"].get("left_out") or []
    told = [done(actions) if actions else "nothing to do"]
    told += [f"{amount(len(left_out))} left out"] if left_out else []
    return ", ".join(told)


def done(actions: Any) -> str:
    """`18 upgrades, 2 installs, 1 removal` of a plan's actions."""
    words = {"upgrade": "upgrade", "install": "install", "remove": "removal", "downgrade": "downgrade"}
    counted = {word: sum(1 for each in actions if each.get("action") == key) for key, word in words.items()}
    return ", ".join(plural(number, word) for word, number in counted.items() if number)


def _protect(data: Mapping[str, Any]) -> str:
    sets = [str(each.get("backup")) for each in data.get("protected", {}).get("sets") or [] if each.get("ok")]
    told = [f"{listing(sets, 5)} proven to restore"] if sets else []
    protect = data.get("protect", {})
    if protect:
        kept = protect.get("kept") or []
        told.append(f"{size(protect.get('fetched_bytes'))} fetched")
        told.append(f"{sum(1 for each in kept if each.get('file'))} of {plural(len(kept), 'version')} kept")
        lost = [str(each.get("name")) for each in protect.get("irreversible") or []]
        told += [f"no way back for {listing(lost, 5)}"] if lost else []
    return ", ".join(told)


def _apply(data: Mapping[str, Any]) -> str:
    apply = data.get("apply", {})
    told = [f"{plural(len(apply.get('changed') or []), 'package')} changed"] if apply else []
    leftovers = apply.get("config_leftovers") or []
    told += [f"{plural(len(leftovers), 'configuration file')} left beside the real ones"] if leftovers else []
    told += ["found the job that was running"] if apply.get("reattached") else []
    told += ["finished what was interrupted"] if apply.get("repaired") else []
    return ", ".join(told)


def _restart(data: Mapping[str, Any]) -> str:
    return _restarted(data.get("restart", {}), data.get("reboot", {}))


def _restarted(restart: Mapping[str, Any], reboot: Mapping[str, Any]) -> str:
    told = []
    if restart:
        told.append(f"{plural(len(restart.get('restarted') or []), 'unit')} restarted")
        for kind in ("excluded", "deferred"):
            units = [str(each.get("unit") if isinstance(each, Mapping) else each) for each in restart.get(kind) or []]
            told += [f"{kind}: {listing(units, 5)}"] if units else []
    if reboot.get("rebooted"):
        took = f" in {duration(reboot['duration_ms'])}" if reboot.get("duration_ms") else ""
        told.append(f"rebooted into {reboot.get('kernel') or 'the same kernel'}{took}")
    return ", ".join(told)


def _verify(data: Mapping[str, Any]) -> str:
    health = data.get("soak") or data.get("health") or {}
    checks = health.get("checks") or []
    told = [f"{plural(sum(1 for each in checks if each.get('ok')), 'check')} green"] if checks else []
    counts = data.get("level_after", {}).get("counts") or {}
    if counts:
        told.append(f"{amount(counts.get('pending'))} pending, {amount(counts.get('security'))} of them security")
    return ", ".join(told)


def _rollback(data: Mapping[str, Any]) -> str:
    back = data.get("back_apply", {})
    told = [f"{plural(len(back.get('changed') or []), 'package')} back at the version before"] if back else []
    more = _restarted(data.get("back_restart", {}), data.get("back_reboot", {}))
    return ", ".join([*told, *([more] if more else [])])


_WORDS = {
    "preflight": _preflight,
    "plan": _plan,
    "protect": _protect,
    "apply": _apply,
    "restart": _restart,
    "verify": _verify,
    "rollback": _rollback,
}
