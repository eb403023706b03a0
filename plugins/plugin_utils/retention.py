# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a set's archives are kept by, which sets have some to remove, and what came of that. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import outcome
from .observation import Part

_AT_LEAST = "at_least"
_RECORDED = ("status", "reason", "removed", "foreign", "swept", "freed", "predicted", "duration_ms")
_LISTED = 100


def policy(backup_set: Mapping[str, Any], keep: Mapping[str, Any] | None, max_size: Any = None) -> dict[str, Any]:
    """{"keep_last", …, "keep_yearly", "keep_at_least", "max_size" (bytes or None), "history"} for a set.

    The set's own `keep` and `max_size` stand in the place of what is given for all. `history` says whether more than
    the last archive can be wanted. Raises UpkeepError `bad_keep`.
    """
    name, own = backup_set.get("name"), backup_set.get("keep")
    wanted = own if own is not None else keep or {}
    if not isinstance(wanted, Mapping):
        raise UpkeepError("bad_keep", f"keep of the set {name}: {wanted!r} is no list of rules such as {{last: 3}}.")
    numbers = {key: _number(name, key, value) for key, value in wanted.items() if value not in (None, "")}
    rules = {rule: numbers.pop(rule, 0) for rule in retention.RULES}
    at_least = max(numbers.pop(_AT_LEAST, 1), 1)
    if numbers:
        known = ", ".join((*retention.RULES, _AT_LEAST))
        raise UpkeepError(
            "bad_keep", f"keep of the set {name}: there is no rule {', '.join(numbers)}; there are {known}."
        )
    limit = backup_set.get("max_size") or max_size
    return {
        **{f"keep_{rule}": number for rule, number in rules.items()},
        "keep_at_least": at_least,
        "max_size": _bytes(name, limit) or None if limit not in (None, "") else None,
        "history": max(rules.values()) > 1 or not any(rules.values()) or at_least > 1,
    }


def _bytes(name: Any, limit: Any) -> int:
    try:
        return int(human_to_bytes(str(limit)))
    except ValueError:
        raise UpkeepError("bad_keep", f"max_size of the set {name}: {limit!r} is no size such as 500M or 20G.")


def _number(name: Any, key: Any, value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0:
        raise UpkeepError("bad_keep", f"keep of the set {name}: {key} must be a number from 0, not {value!r}.")
    return number


def to_prune(
    result: Any, sets: Sequence[Mapping[str, Any]], keep: Mapping[str, Any] | None, max_size: Any = None
) -> list[dict[str, Any]]:
    """The sets whose history has something to remove, by the registered result of their backups; each with its policy.

    Only those that this run backed up completely. Nothing is asked of a host where there is nothing to do. In check
    mode those that would get a new archive as well: `before_backup`.
    """
    by_name = {each.get("name"): each for each in sets}
    due = []
    for one in _results(result):
        data = one.get("data")
        if not isinstance(data, Mapping):
            continue
        name, ahead = data.get("backup"), _would_write(data)
        if not ahead and (data.get("complete") is not True or not _has_history(data)):
            continue
        wanted = policy(by_name.get(name) or {"name": name}, keep, max_size)
        if (ahead and (wanted["history"] or _has_history(data))) or (not ahead and _goes(data, wanted)):
            due.append({"name": name, "archive": data["archive"], "before_backup": ahead, **wanted})
    return due


def _would_write(data: Mapping[str, Any]) -> bool:
    return data.get("predicted") is True and data.get("complete") is None


def _results(result: Any) -> list[Mapping[str, Any]]:
    if not isinstance(result, Mapping):
        return []
    items = result.get("results")
    return [one for one in (items if isinstance(items, list) else [result]) if isinstance(one, Mapping)]


def _has_history(data: Mapping[str, Any]) -> bool:
    return bool((data.get("history") or {}).get("archives"))


def _goes(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    older = data["history"]["newest"]
    if len(older) < data["history"]["archives"]:
        return True  # more than are listed: the host knows
    archives = [{**data, "current": True}, *({**each, "current": False} for each in older)]
    rules = {rule: wanted[f"keep_{rule}"] for rule in retention.RULES}
    return bool(retention.plan(archives, rules, wanted["keep_at_least"], wanted["max_size"])[1])


def hold(parts: Sequence[Part], result: Any) -> None:
    """Put what `backup_prune` did into the backups' data, as `pruned`, and `history` as it is now.

    Where it failed, the backup stays as good as it is, and its evidence advances; but the set is `incomplete`, since
    nobody else would say that archives pile up.
    """
    for part in parts:  # restic forgets right after its backup, and says what came of it
        pruned = part.data.get("pruned") if isinstance(part.data, dict) else None
        if isinstance(pruned, Mapping) and pruned.get("status") == "failed":
            _failed(part, {"failed": True, "msg": pruned.get("reason")})
    if not isinstance(result, Mapping):
        return
    if result.get("failed") and not isinstance(result.get("results"), list):
        for part in parts:
            if isinstance(part.data, dict) and _has_history(part.data):
                _failed(part, result)
        return
    by_name = {part.name: part for part in parts if isinstance(part.data, dict)}
    for one in _results(result):
        item = one.get("item")
        name = item.get("name") if isinstance(item, Mapping) else None
        if name not in by_name or one.get("skipped"):
            continue
        part = by_name[name]
        document = one.get("data")
        if one.get("failed") or one.get("unreachable") or not isinstance(document, Mapping):
            _failed(part, one)
            continue
        told = {key: document[key] for key in _RECORDED if key in document}
        told["removed"] = list(document.get("removed") or [])[:_LISTED]
        told["removed_count"] = len(document.get("removed") or [])
        part.data["pruned"] = told
        if not document.get("predicted") and document.get("history"):
            part.data["history"] = document["history"]


def _failed(part: Part, result: Mapping[str, Any]) -> None:
    why = outcome.part_of("backup_prune", result)
    reason = f"retention_failed: {why.reason or 'the task gave no result'}"
    part.data["pruned"] = {"status": "failed", "reason": reason}
    if part.status == "ok":
        part.status, part.reason = "incomplete", reason
