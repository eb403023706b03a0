# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a registered task result to what was seen. Pure: plain data in, parts of an observation out.

Kept of a result: its `data`, its message, its `error_code` and the facts beside it. Never `invocation` or any output:
both can hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import troubles
from .observation import Part

_REASON_LENGTH = 500
# ansible-core's words for a module that died without an answer; what it wrote to stderr says more.
_DIED = (
    "deserialization failed",
    "MODULE FAILURE",
    "No start of json char",
    "was not found",
    "Task failed: Action failed",
)
_NOISE = ("Shared connection to ", "Connection to ", "Warning: Permanently added ", "OpenSSH_", "debug1:")
# What ansible-core 2.19 to 2.21 say of an argument before what is wrong with it, in the words of our own filters.
_INTRODUCTION = re.compile(
    r"^(?:Finalization of task args for '[^']*' failed: )?(?:Error while resolving value for '[^']*': )?"
    r"(?:The (?:filter|lookup) plugin '[^']*' failed: )?"
)
_RAISED = re.compile(r"\w+(Error|Exception)\b")
# Phases whose module always returns a document: success without one proves nothing.
_NEEDS_DATA = {"backup", "vault", "copy", "restore_test", "restore", "disaster_drill", "patch_level", "patch", "audit"}
# By the outcome of a patch run; what is refused goes by its reason, too.
_PATCHED = {"patched": "ok", "nothing_to_do": "ok", "planned": "ok"}
_REFUSED = {"budget": "incomplete", "ring_stopped": "incomplete", "unreachable": "unknown"}
_NOT_FACTS = {
    "msg", "error_code", "failed", "changed", "invocation", "exception", "warnings", "deprecations", "ansible_facts",
    "stdout", "stderr", "stdout_lines", "stderr_lines", "module_stdout", "module_stderr", "diff", "data",
}  # fmt: skip


def parts_of(phase: str, result: Any, name: str | None = None) -> tuple[list[Part], bool]:
    """The parts of `result` (plain data) and whether it is a loop's. Never raises: what makes no sense is `unknown`."""
    if not isinstance(result, Mapping):
        return [Part(name, "unknown", f"no_result: the task gave no result ({one_line(result)})")], False
    items = result.get("results")
    if isinstance(items, list):
        if not items:
            return [Part(name, "skipped", one_line(result.get("skipped_reason") or "nothing to do"))], False
        return [part_of(phase, item, None) for item in items], True
    return [part_of(phase, result, name)], False


def part_of(phase: str, result: Any, name: str | None = None) -> Part:
    """The outcome of one result."""
    if not isinstance(result, Mapping):
        return Part(name, "unknown", f"no_result: the task gave no result ({one_line(result)})")
    data = result.get("data")
    if not isinstance(data, Mapping):
        data = None
    status, reason = _status(phase, result, data)
    if data is None and status == "failed" and result.get("error_code"):
        data = {key: value for key, value in result.items() if key not in _NOT_FACTS and not _is_ansibles(key)} or None
    data = _with_targets(phase, data, result.get("item"))
    return Part(
        name=_part_name(phase, result, data) or name,
        status=status,
        reason=reason,
        duration_ms=_duration_ms(result, data),
        changed=bool(result.get("changed")),
        data=data,
    )


def _status(phase: str, result: Mapping[str, Any], data: Mapping[str, Any] | None) -> tuple[str, str | None]:
    message = result.get("msg")
    if result.get("unreachable"):
        why = troubles.unreachable(str(message or "no connection"))
        return "unknown", f"unreachable: {_without_prefix(one_line(why))}"
    if result.get("failed"):
        # A restore that refused something did the rest: it fails its task, and is incomplete.
        return ("incomplete" if data and data.get("status") == "incomplete" else "failed"), _failure(result)
    if result.get("skipped"):
        return "skipped", one_line(result.get("skip_reason") or result.get("skipped_reason") or message or "skipped")
    if data is None:
        if "censored" in result:
            return "unknown", "censored: no_log hides the result, so nothing can be said; take no_log off the task"
        if phase in _NEEDS_DATA:
            return "unknown", f"no_data: the task of phase {phase} returned no data"
        return "ok", None
    return _status_in(phase, data)


def _status_in(phase: str, data: Mapping[str, Any]) -> tuple[str, str | None]:
    if phase == "patch":
        return patch_status(data), data.get("reason")
    said = data.get("status")
    if said == "failed":
        return "failed", f"{phase}_failed: {one_line(data.get('reason') or 'its result says failed')}"
    if said == "incomplete" or data.get("complete") is False:
        return "incomplete", f"incomplete: {_what_is_missing(data)}"
    if said not in (None, "ok"):
        return "unknown", f"bad_status: its result says {one_line(said)}"
    if phase == "restore_test" and not is_of_hash(data) and not entries(data)[0]:
        return "failed", "nothing_verified: the restore compared no entry, which proves nothing"
    engines = data.get("engines")
    if phase == "audit" and not engines:
        return "unknown", "no_engine: no audit engine ran"
    if isinstance(engines, list):
        return _status_of_engines(engines)
    return "ok", None


def patch_status(document: Mapping[str, Any]) -> str:
    """The status of a patch run (upkeep.patch/1). One that took the host back is ok only where that was asked for."""
    outcome = str(document.get("outcome"))
    if outcome == "rolled_back" and document.get("rollback_of"):
        return "ok"
    if outcome == "refused":
        return _REFUSED.get(str(document.get("error_code")), "failed")
    return _PATCHED.get(outcome, "failed")


def entries(data: Mapping[str, Any]) -> tuple[Any, Any]:
    """(verified, expected) of a drill: folders, links and all else that an archive holds, not its files alone."""
    verified, expected = data.get("entries_verified"), data.get("entries_expected")
    return (data.get("files_verified"), data.get("files_expected")) if verified is None else (verified, expected)


def is_of_hash(data: Mapping[str, Any]) -> bool:
    """Whether a drill compared the hash of the archive file and nothing else, as it was asked to."""
    return (data.get("scope") or {}).get("level") == "hash" and data.get("level_reached") == "hash"


def _status_of_engines(engines: list[Any]) -> tuple[str, str | None]:
    # One that is not set up was not to look: without it the others' audit is complete.
    looked = [engine for engine in engines if engine.get("status") != "skipped"]
    silent = [engine for engine in looked if engine.get("status") != "ok"]
    if not looked:
        return "skipped", _reasons(engines)
    if not silent:
        return "ok", None
    return ("unknown" if len(silent) == len(looked) else "incomplete"), f"engine_unknown: {_reasons(silent)}"


def _reasons(engines: list[Any]) -> str:
    return "; ".join(f"{engine.get('name')}: {one_line(engine.get('reason') or 'no answer')}" for engine in engines)


def _what_is_missing(data: Mapping[str, Any]) -> str:
    lists = (
        ("unreadable", "unreadable"),
        ("changed_during_backup", "changed while read"),
        ("missing_files", "missing"),
        ("corrupt_files", "corrupt"),
        ("metadata_mismatches", "with other metadata"),
        ("not_checked", "not checked"),
        ("refused", "refused"),
    )
    told = [f"{len(data[key])} {words}" for key, words in lists if isinstance(data.get(key), list) and data[key]]
    return ", ".join(told) or one_line(data.get("reason") or "its result says so")


def _failure(result: Mapping[str, Any]) -> str:
    message = _without_prefix(one_line(result.get("msg") or ""))
    if result.get("error_code"):
        return f"{one_line(result['error_code'])}: {message or 'no message'}"
    if "censored" in result:
        return "module_failed: the message is hidden by no_log"
    known = troubles.failed(result.get("msg"), result.get("module_stderr"))
    if known:
        return f"{known[0]}: {one_line(known[1])}"
    if not message or any(words in str(result.get("msg")) for words in _DIED):
        line = meaningful_line(result.get("module_stderr")) or meaningful_line(result.get("exception"))
        message = line or message or "no message"
        if result.get("rc") in (137, -9):
            message += " (killed: rc 137; out of memory?)"
    return f"module_failed: {message}"


def meaningful_line(text: Any) -> str | None:
    """The line of a stderr or traceback that says what went wrong: the exception, else the first that is no noise."""
    if not isinstance(text, str) or text.strip() == "(traceback unavailable)":
        return None
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith(_NOISE)]
    for index, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)"):
            raised = [later for later in lines[index + 1 :] if not later[0].isspace()]
            return one_line(raised[0]) if raised else one_line(lines[-1])
    raised = [line for line in lines if _RAISED.match(line)]
    return one_line((raised or lines)[0]) if lines else None


def one_line(value: Any) -> str:
    """`value` as one line of at most 500 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"


def _without_prefix(message: str) -> str:
    """Ansible's message without its introduction, and without its advice, which repeats commands with process ids."""
    told = _INTRODUCTION.sub("", message.removeprefix("Task failed: "))
    return told.partition(" In some cases, you may have been able to")[0]


def _is_ansibles(key: str) -> bool:
    return key.startswith(("_ansible", "ansible_")) or key in {"item", "attempts", "results", "rc", "start", "end"}


def _part_name(phase: str, result: Mapping[str, Any], data: Mapping[str, Any] | None) -> str | None:
    """The set, or `etc on offsite`, as the items of copies are called: each copy of a set is a part of its own."""
    if phase == "copy" and data and data.get("backup") and data.get("copy"):
        return f"{data['backup']} on {data['copy']}"
    return _set_name(result, data)


def _set_name(result: Mapping[str, Any], data: Mapping[str, Any] | None) -> str | None:
    if data and isinstance(data.get("backup"), str):
        return str(data["backup"])
    item = result.get(str(result.get("ansible_loop_var") or "item"))
    if isinstance(item, Mapping) and item.get("name"):
        return str(item["name"])
    return item if isinstance(item, str) else None


def _with_targets(phase: str, data: Mapping[str, Any] | None, item: Any) -> dict[str, Any] | None:
    if data is None or phase != "restore_test" or "files_verified" not in data:
        return None if data is None else dict(data)
    item = item if isinstance(item, Mapping) else {}
    return with_targets(data, item)


def with_targets(data: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, Any]:
    """A restore's document with the targets in milliseconds, from a set's `rto_target` and `rpo_target` in seconds."""
    filled = dict(data)
    for key, given in (("rto_target_ms", target.get("rto_target")), ("rpo_target_ms", target.get("rpo_target"))):
        if filled.get(key) is None:
            filled[key] = _milliseconds(given)
    return filled


def _milliseconds(seconds: Any) -> int | None:
    if isinstance(seconds, bool):
        return None
    try:
        return int(float(seconds) * 1000) if float(seconds) >= 0 else None
    except (TypeError, ValueError, OverflowError):
        return None


def _duration_ms(result: Mapping[str, Any], data: Mapping[str, Any] | None) -> int | None:
    for holder in (data or {}, result):
        value = holder.get("duration_ms")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return int(value)
    return _delta_ms(result.get("delta"))


def _delta_ms(delta: Any) -> int | None:
    # ansible.builtin.command: "0:00:00.005878", with "1 day, " before it where need be.
    if not isinstance(delta, str):
        return None
    days, clock = delta.rpartition(", ")[::2]
    try:
        hours, minutes, seconds = clock.split(":")
        whole = int(days.split()[0]) if days else 0
        return int(((whole * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000)
    except (ValueError, IndexError):
        return None
