# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which archives of a set stay in the vault, by the same rules as on the hosts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention

from . import index

_TOLD = ("created", "archive", "sha256", "bytes", "why")


def plan(
    there: Sequence[index.Vaulted], policy: Mapping[str, Any], verified: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(kept, gone), each {"created", "archive", "sha256" (of the plain archive), "bytes", "why"}, newest first.

    `there` as `index.entries` gives it, `policy` as the filter `retention` does. Neither the newest goes, nor one that
    a drill has proven last (`verified`, sha256 of plain archives).
    """
    archives = [
        {"created": one.created, "archive": one.archive, "sha256": one.archive_sha256, "bytes": one.bytes,
         "current": position == 0}
        for position, one in enumerate(there)
    ]  # fmt: skip
    rules = {rule: int(policy.get(f"keep_{rule}") or 0) for rule in retention.RULES}
    kept, gone = retention.plan(
        archives, rules, int(policy.get("keep_at_least") or 1), policy.get("max_size"), verified
    )
    return [_told(one) for one in kept], [_told(one) for one in gone]


def summary(kept: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """{"archives", "bytes"}."""
    return {"archives": len(kept), "bytes": sum(one["bytes"] for one in kept)}


def remove(folder: Path, there: Sequence[index.Vaulted], gone: Sequence[Mapping[str, Any]]) -> None:
    """Take out of the vault what is `gone`. Raises OSError."""
    names = {one["archive"] for one in gone}
    for one in there:
        if one.archive in names:
            index.remove(folder, one)


def _told(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one[key] for key in _TOLD}
