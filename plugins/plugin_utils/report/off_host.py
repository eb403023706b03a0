# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's view of what left its host: whether the vault and each copy have the last archive of a set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import evidence
from ..documents.text import plural, size
from ..observation import OFF_HOST_TAGS, Observation, Part

_VAULT = ("archive", "created", "archive_sha256", "bytes", "sealed", "kept", "ahead", "way", "finished")
_COPY = ("to", "path", "created", "archive_sha256", "bytes", "verified_by", "append_only", "kept", "finished")
_COPY_WORD = " on "


def outcomes(seen: Mapping[tuple[str, str], Observation]) -> dict[tuple[str, str], dict[str, Part]]:
    """(host, set) -> "vault" or "copy <name>" -> what became of it in this run; nothing of what was skipped."""
    found: dict[tuple[str, str], dict[str, Part]] = {}
    for (host, phase), observation in seen.items():
        for part in observation.outcomes() if phase in OFF_HOST_TAGS else ():
            if part.name and part.status != "skipped":
                name, _word, copy = part.name.partition(_COPY_WORD) if phase == "copy" else (part.name, "", "")
                found.setdefault((host, name), {})[f"copy {copy}" if copy else phase] = part
    return found


def vault(home: Path, folder: Path, tried: Mapping[str, Part]) -> dict[str, Any] | None:
    """{"this_run", "reason", "is_there", "archive", "created", …} by the set's evidence; null where it does not go."""
    document, part = evidence.last_vaulted(folder), tried.get("vault")
    if document is None and part is None:
        return None
    told = {key: (document or {}).get(key) for key in _VAULT}
    return {**_of_run(part), "is_there": bool(document) and _is_there(home, told), **told}


def copies(home: Path, key: tuple[str, str], tried: Mapping[str, Part]) -> list[dict[str, Any]]:
    """[{"name", "this_run", "reason", "to", "path", …}], by name."""
    known = {str(document["copy"]): document for document in evidence.last_copies(home, *key)}
    tried_ones = {key.partition(" ")[2]: part for key, part in tried.items() if key.startswith("copy ")}
    return [
        {"name": name, **_of_run(tried_ones.get(name)), **{key: known.get(name, {}).get(key) for key in _COPY}}
        for name in sorted({*known, *tried_ones})
    ]


def problems(
    success: Mapping[str, Any] | None, in_vault: Mapping[str, Any] | None, in_copies: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What is missing, failed, or behind the last backup."""
    if in_vault is not None:
        yield from _failed("vault", in_vault)
        if in_vault["created"] is None:
            yield "not in the vault"
        elif not in_vault["is_there"]:
            yield f"the vault has lost {in_vault['archive']}"
        elif _is_behind(success, in_vault):
            yield f"the vault is behind: it has that of {in_vault['created']}"
        if in_vault.get("ahead"):
            yield f"the vault has what is of the future ({', '.join(in_vault['ahead'])}): the host's clock was ahead"
    for copy in in_copies:
        yield from _failed(f"copy {copy['name']}", copy)
        if copy["created"] is None:
            yield f"not in the copy {copy['name']}"
        elif _is_behind(success, copy):
            yield f"the copy {copy['name']} is behind: it has that of {copy['created']}"


def vault_words(entry: Mapping[str, Any]) -> str:
    """`2026-11-23T08:34:03Z, encrypted, 5 archives (20 MB)`; what is wrong with it stands among the problems."""
    found = entry["vault"]
    if not found or not found["created"]:
        return "no"
    kept = found["kept"] or {}
    told = [found["created"], *(["encrypted"] if found["sealed"] else [])]
    told += [f"{plural(kept['archives'], 'archive')} ({size(kept['bytes'])})"] if kept else []
    return ", ".join(told if found["is_there"] else ["lost", *told])


def copies_words(entry: Mapping[str, Any]) -> str:
    """`offsite 2026-11-23T08:34:03Z; usb never`"""
    return "; ".join(f"{copy['name']} {copy['created'] or 'never'}" for copy in entry["copies"]) or "none"


def words(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """`3 sets (1.2 GB), 1 not as it should be`; None where nothing goes there."""
    wanted = [entry for entry in entries if entry.get("vault")]
    if not wanted:
        return None
    total = sum(((entry["vault"]["kept"] or {}).get("bytes") or 0) for entry in wanted)
    wrong = [entry for entry in wanted if any(problems(entry["last_success"], entry["vault"], []))]
    told = f"{plural(len(wanted), 'set')} ({size(total)})"
    return told + (f", {len(wrong)} not as {'it' if len(wrong) == 1 else 'they'} should be" if wrong else "")


def _of_run(part: Part | None) -> dict[str, Any]:
    return {"this_run": part.status if part else None, "reason": part.reason if part else None}


def _failed(what: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if entry["this_run"] not in (None, "ok"):
        code = (entry["reason"] or "").partition(":")[0]
        yield f"{what} {entry['this_run']} in this run" + (f" ({code})" if code else "")


def _is_behind(success: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> bool:
    last = (success or {}).get("sha256")
    return bool(last) and last != entry["archive_sha256"]


def _is_there(home: Path, document: Mapping[str, Any]) -> bool:
    try:
        return (home / str(document["archive"])).stat().st_size == document["bytes"]
    except OSError:
        return False
