# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which archives of a set stay in the vault, by the same rules as on the hosts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention

from . import index

_TOLD = ("archive", "sha256", "bytes", "why")
# A host's clock may be ahead by so much without a word.
SKEW = timedelta(minutes=10)


def plan(
    there: Sequence[index.Vaulted], policy: Mapping[str, Any], current: str, verified: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(kept, gone), each {"created", "archive", "sha256" (of the plain archive), "bytes", "why"}, newest first.

    `there` as `index.entries` gives it, `policy` as the filter `retention` does. Neither goes what the host has now
    (`current`, its `created`), nor what a drill has proven last (`verified`, sha256 of plain archives). The rules go by
    when archives came: by the controller's clock, for a host's that was ahead once must not cost the backups since.
    """
    archives = [
        {"created": one.pulled_at, "made": one.created, "archive": one.archive, "sha256": one.archive_sha256,
         "bytes": one.bytes, "current": one.created == current}
        for one in there
    ]  # fmt: skip
    rules = {rule: int(policy.get(f"keep_{rule}") or 0) for rule in retention.RULES}
    kept, gone = retention.plan(
        archives, rules, int(policy.get("keep_at_least") or 1), policy.get("max_size"), verified
    )
    return [_told(one) for one in kept], [_told(one) for one in gone]


def ahead(there: Sequence[index.Vaulted], now: datetime) -> list[str]:
    """When archives were made that are of the future by more than SKEW: their host's clock was ahead."""
    return [one.created for one in there if times.parse(one.created) > now + SKEW]


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
    return {"created": one["made"], **{key: one[key] for key in _TOLD}}
