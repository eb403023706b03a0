# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads while a run goes on: one line a host, phase and set. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..next_scope import next_scope
from ..observation import Observation, Part
from ..outcome import entries, is_of_hash
from . import patch
from .text import amount, called, databases, duration, plural, printable, size

_LOUD = {"failed": "FAILED", "unknown": "UNKNOWN", "incomplete": "INCOMPLETE"}
_NAME, _PHASE, _SET, _STATUS, _REASON, _PATHS = 8, 12, 10, 10, 160, 10


def lines(observation: Observation, host_width: int = _NAME) -> list[str]:
    """`  web1      backup        etc         ok          1,924 files, 4.1 MB, new archive in 0.4 s`, a line a part."""
    told: list[str] = []
    for part in observation.outcomes():
        told.append(_line(observation, part, host_width))
        told += _rebuilt(part.data) if observation.phase == "disaster_drill" and isinstance(part.data, dict) else []
        told += _details(part.data) if observation.phase == "restore" and isinstance(part.data, dict) else []
        told += _next(observation.host, part) if observation.phase == "restore_test" and part.name else []
        told += patch.more_lines(part.data) if observation.phase == "patch" and isinstance(part.data, dict) else []
    return told


def _line(observation: Observation, part: Part, host_width: int) -> str:
    return "  ".join(
        (
            "",
            printable(observation.host).ljust(max(host_width, _NAME)),
            observation.phase.ljust(_PHASE),
            printable(part.name or "").ljust(_SET),
            _LOUD.get(part.status, part.status).ljust(_STATUS),
            _told(observation.phase, part),
        )
    ).rstrip()


def _details(data: Mapping[str, Any]) -> list[str]:
    """The first paths of a restore, by what was done with them; and why, where it was not."""
    told = []
    for kind in ("created", "replaced", "refused", "failed"):
        items = data.get(kind) or []
        told += [f"      {kind.ljust(9)} {_shortened(_path_and_why(item))}" for item in items[:_PATHS]]
        more = (data.get("counts") or {}).get(kind, 0) - min(len(items), _PATHS)
        told += [f"      {kind.ljust(9)} and {amount(more)} more"] if more > 0 else []
    return told


def _rebuilt(data: Mapping[str, Any]) -> list[str]:
    """Each set of a disaster drill: what came back, or would; and why, where it did not."""
    told = []
    for one in data.get("sets") or []:
        where = one.get("dest") or "its own place"
        done = f"{amount(one.get('entries'))} entries in {where}, {duration(one.get('duration_ms'))}"
        would = f"{size(one.get('bytes_needed'))} into {where}"
        words = one.get("reason") or (would if data.get("predicted") else done)
        verdict = {"ok": "set", "incomplete": "IN PART"}.get(str(one.get("status")), "NOT BACK")
        told.append(f"      {verdict.ljust(9)} {one.get('backup')} of {one.get('created')}: {_shortened(words)}")
    return told


def _next(host: str, part: Part) -> list[str]:
    """What to try after a drill that failed."""
    data = part.data if isinstance(part.data, dict) else {}
    document = {**data, "host": host, "backup": part.name, "status": part.status}
    scope = next_scope(document, (part.reason or "").partition(":")[0])
    return [f"      next      {printable(scope[key])}" for key in ("why", "command") if scope[key]] if scope else []


def _path_and_why(item: Any) -> str:
    return f"{item.get('path')}: {item.get('why')}" if isinstance(item, dict) else str(item)


def _told(phase: str, part: Part) -> str:
    if (part.status in ("ok", "incomplete") or phase == "patch") and isinstance(part.data, dict):
        words = _WORDS.get(phase, lambda data, part: "")(part.data, part)
        return "; ".join(text for text in (_shortened(part.reason), words) if text)
    return _shortened(part.reason)


def _shortened(reason: str | None) -> str:
    text = printable(reason or "")
    return text if len(text) <= _REASON else text[: _REASON - 1] + "…"


def _backup(data: Mapping[str, Any], part: Part) -> str:
    if data.get("predicted") and part.changed:
        return f"would write a new archive: {_shortened(data.get('reason'))}{_pruned(data)}"
    if not part.changed and data.get("created"):
        return f"{_content(data)}, unchanged since {data['created']}{_pruned(data)}"
    dumped = databases(data.get("dumps"))
    return (
        f"{_content(data)}{', ' + dumped if dumped else ''}, new archive in {duration(part.duration_ms)}{_pruned(data)}"
    )


def _pruned(data: Mapping[str, Any]) -> str:
    """`, 3 older ones removed (1.2 GB)`, and what is in the way of that."""
    pruned = data.get("pruned") or {}
    if pruned.get("status") == "skipped":
        return f"; nothing was pruned: {_shortened(pruned.get('reason'))}"
    count = pruned.get("removed_count")
    if not count:
        return ""
    done = "to remove" if pruned.get("predicted") else "removed"
    return f", {amount(count)} older {done} ({size(pruned.get('freed'))})"


def _content(data: Mapping[str, Any]) -> str:
    return f"{amount(data.get('files'))} files, {size(data.get('bytes'))}"


def _restore(data: Mapping[str, Any], part: Part) -> str:
    if is_of_hash(data):
        return f"hash of the archive file alone, in {duration(part.duration_ms)}: that it restores is not proven"
    verified, expected = entries(data)
    share = "" if verified == expected else f" of {amount(expected)}"
    content = f"{amount(verified)}{share} entries verified, {size(data.get('bytes_verified'))}"
    sample = (data.get("scope") or {}).get("sample") or {}
    part_of = f", part {sample.get('part')} of {sample.get('of')}" if sample else ""
    opened = ", opened with the escrowed key" if (data.get("sealed") or {}).get("opened") else ""
    loaded = databases([item for item in data.get("dumps") or [] if item.get("ok")])
    content += f", {loaded} loaded" if loaded else ""
    return f"{content} in {duration(part.duration_ms)}{part_of}{opened}"


def _vault(data: Mapping[str, Any], part: Part) -> str:
    """`4.1 MB pulled in 0.4 s (10.2 MB/s), 5 archives kept (20 MB), 1 removed`"""
    kept, gone = data.get("kept") or {}, len(data.get("removed") or [])
    if data.get("predicted"):
        told = [_nothing_to_bring(data) if data.get("unchanged") else f"would bring {size(data.get('bytes'))}"]
    elif data.get("unchanged"):
        told = [_nothing_to_bring(data)]
    else:
        told = [f"{size(data.get('pulled_bytes'))} pulled in {duration(part.duration_ms)}{_pull_details(data)}"]
    told.append(f"{plural(kept.get('archives', 0), 'archive')} kept ({size(kept.get('bytes', 0))})")
    told += [f"{amount(gone)} {'to remove' if data.get('predicted') else 'removed'}"] if gone else []
    return ", ".join(told)


def _nothing_to_bring(data: Mapping[str, Any]) -> str:
    return f"has that of {data.get('created')}"


def _pull_details(data: Mapping[str, Any]) -> str:
    told = [f"{size(data['bytes_per_s'])}/s"] if data.get("bytes_per_s") else []
    told += [f"went on at {size(data['resumed_from'])}"] if data.get("resumed_from") else []
    told += [f"{amount(data['connections'])} connections"] if (data.get("connections") or 1) > 1 else []
    told += ["encrypted"] if data.get("sealed") else []
    return f" ({', '.join(told)})" if told else ""


def _copy(data: Mapping[str, Any], part: Part) -> str:
    """`4.1 MB in 0.4 s, verified by its hash there`"""
    if data.get("unchanged"):
        return f"has that of {data.get('created')}"
    verified = {"far_hash": "by its hash there", "read_back": "by reading it back"}.get(str(data.get("verified_by")))
    done = f"{size(data.get('bytes'))} in {duration(part.duration_ms)}"
    return f"{done}, verified {verified}" if verified else done


_RESTORED = ("created", "replaced", "restored", "unchanged", "refused", "failed")


def _restored(data: Mapping[str, Any], part: Part) -> str:
    """`3 created, 1 replaced, 2 unchanged in /srv, 4.1 kB in 12 ms`; in a dry run what would be."""
    if data.get("schema") == "upkeep.loaded/1":
        return _loaded_for_real(data, part)
    counts = data.get("counts") or {}
    told = [f"{amount(counts[name])} {name}" for name in _RESTORED if counts.get(name)] or ["nothing to do"]
    where = printable(str(data.get("dest")))
    if data.get("archive_created"):
        where += f", as of {data['archive_created']}"
    if data.get("predicted"):
        return f"would be: {', '.join(told)} in {where}"
    done = f"{size(data.get('bytes'))} in {duration(part.duration_ms)}"
    return f"{', '.join(told)} in {where}; {done}"


def _disaster_drill(data: Mapping[str, Any], part: Part) -> str:
    """`web1 is back: 3 sets, 1,204 entries, 2 databases (8,120 rows) in 41 s`."""
    databases = f", {plural(data.get('databases') or 0, 'database')} ({amount(data.get('rows'))} rows)"
    content = f"{plural(len(data.get('sets') or []), 'set')}, {amount(data.get('entries'))} entries{databases}"
    back = "is back in part" if part.status == "incomplete" else "is back"
    return f"{data.get('host')} {back}: {content} in {duration(data.get('duration_ms'))}"


def _loaded_for_real(data: Mapping[str, Any], part: Part) -> str:
    told = [f"{printable(called(item))} {item.get('action')}" for item in data.get("dumps") or []]
    done = f"as of {data.get('archive_created')}"
    if data.get("predicted"):
        return f"would be: {', '.join(told)}, {done}"
    return f"{', '.join(told)}, {done}; {databases(data.get('dumps'))} in {duration(part.duration_ms)}"


def _patch_level(data: Mapping[str, Any], part: Part) -> str:
    counts, reboot = data.get("counts") or {}, data.get("reboot") or {}
    stale = data.get("services_stale") or []
    told = [f"{amount(counts.get('pending'))} pending ({amount(counts.get('security'))} security)"]
    if counts.get("blocked"):
        told.append(f"{amount(counts['blocked'])} blocked")
    if reboot.get("required"):
        told.append("reboot due")
    if stale:
        told.append(f"{plural(len(stale), 'service')} to restart")
    if (data.get("metadata") or {}).get("stale"):
        told.append("package lists stale")
    return ", ".join(told)


def _audit(data: Mapping[str, Any], part: Part) -> str:
    engines = [str(engine.get("name")) for engine in data.get("engines") or [] if engine.get("status") != "skipped"]
    return f"{plural(len(data.get('findings') or []), 'finding')} by {', '.join(engines)}"


def _patch(data: Mapping[str, Any], part: Part) -> str:
    return patch.words(data)


_WORDS = {
    "backup": _backup,
    "vault": _vault,
    "copy": _copy,
    "restore_test": _restore,
    "restore": _restored,
    "disaster_drill": _disaster_drill,
    "patch_level": _patch_level,
    "patch": _patch,
    "audit": _audit,
}
