# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted backups in the report: can the escrowed key open what lies in the vault, and when was that shown?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from .. import evidence, parts
from ..documents.text import plural
from ..vault import index

# What to do about it; the key is where `make backup-key` puts it, unless the inventory says otherwise.
DRILL = "make maintain ARGS='--tags restore_test,report -e restore_test_on=controller'"


def sealed_state(home: Path, host: str, name: str, last_restore: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of a set whose newest archive in the vault is encrypted; None of any other.

    {"program", "recipients", "opened_at", "opened_with", "plain"}: `opened_at` is when the last drill opened one with a
    key that is still among the recipients, else null; `plain` counts what is not encrypted in the vault and the copies.
    A vault that cannot be read has no `recipients`: null.
    """
    try:
        there = index.entries(home, host, name)
        sealed = there[0].sealed if there else None
        if not sealed:
            return None
        recipients = list(sealed.get("recipients") or [])
        drill = next(_opened(home, host, name, last_restore, recipients), {})
    except OSError:
        return {"program": None, "recipients": None, "opened_at": None, "opened_with": None, "plain": None}
    return {
        "program": sealed.get("program"),
        "recipients": recipients,
        "opened_at": drill.get("finished"),
        "opened_with": (drill.get("sealed") or {}).get("opened_with"),
        "plain": sum(1 for one in there if not one.sealed) + _plain_in_copies(home, host, name),
    }


def _plain_in_copies(home: Path, host: str, name: str) -> int:
    """By what each copy's last run found there."""
    listed = [one for copy in evidence.last_copies(home, host, name) for one in copy.get("entries") or []]
    return sum(1 for one in listed if isinstance(one, Mapping) and one.get("sealed") is False)


def _opened(
    home: Path, host: str, name: str, last: Mapping[str, Any] | None, recipients: list[str]
) -> Iterator[Mapping[str, Any]]:
    """The drills that opened one with a key that counts, the newest first."""
    for drill in chain([last] if last else [], parts.of_set(home, host, name)):
        sealed = drill.get("sealed")
        if isinstance(sealed, Mapping) and sealed.get("opened") is True and sealed.get("opened_with") in recipients:
            yield drill


def problems(sealed: Mapping[str, Any] | None) -> list[str]:
    """What is to be told of it."""
    if sealed is None:
        return []
    if sealed["recipients"] is None:
        return ["its vault cannot be read, so whether its key opens it is not known"]
    plain = sealed.get("plain") or 0
    told = [f"{plural(plain, 'archive')} in the vault or the copies {'is' if plain == 1 else 'are'} not encrypted"]
    told = told if plain else []
    if sealed["opened_at"]:
        return told
    return [*told, f"encrypted, and never opened with the escrowed key: bring that to backup_identity, and run {DRILL}"]


def never_opened(entries: list[Mapping[str, Any]]) -> int | None:
    """How many encrypted backups no drill has opened; None where a vault cannot be read."""
    states = [entry["sealed"] for entry in entries if entry["sealed"]]
    if any(state["recipients"] is None for state in states):
        return None
    return sum(1 for state in states if not state["opened_at"])
