# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which archives a copy should get, and which it no longer keeps. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.archive import retention

from ..vault.index import Vaulted
from .files import pulled


@dataclass(frozen=True)
class Plan:
    """All newest first. `why` says of each `created` what keeps it, or what it goes for; `plain` stays in the vault."""

    bring: list[Vaulted]
    keep: list[Vaulted]
    remove: list[Vaulted]
    why: dict[str, str]
    plain: list[Vaulted]


def planned(
    vault: Sequence[Vaulted],
    there: Sequence[Vaulted],
    rules: Mapping[str, int],
    at_least: int = 1,
    verified: Collection[str] = (),
    append_only: bool = False,
    sealed_only: bool = False,
    brought: Collection[str] = (),
) -> Plan:
    """By the copy's own rules over what both places have: what would go at once is not brought.

    Never the one that the vault pulled last, nor one that is `brought` (by `created`) in this run, nor one whose
    archive_sha256 is among `verified`, is removed; nothing at all from a place that only takes. With `sealed_only` what
    is not encrypted does not leave the vault, and takes nobody's place; what of it is there already stays by the rules.
    """
    theirs = {one.created: one for one in there}
    ours = {one.created: one for one in vault if one.sealed or not sealed_only}
    plain = [one for one in vault if one.created not in ours and not _same(one, theirs.get(one.created))]
    every = {**theirs, **ours}
    # `created` is what a host's clock said: one that was ahead once must not outrank every later archive for ever.
    current = {*brought, *(one.created for one in sorted(ours.values(), key=pulled)[-1:])}
    kept, gone = retention.plan(_as_archives(every.values(), current), rules, at_least, None, verified)
    stays = [one["created"] for one in kept]
    bring = [ours[created] for created in stays if created in ours and not _same(ours[created], theirs.get(created))]
    goes = [one["created"] for one in gone if one["created"] in theirs]
    return Plan(
        bring=bring,
        keep=[theirs[created] for created in theirs if append_only or created in stays],
        remove=[] if append_only else [theirs[created] for created in goes],
        why={one["created"]: one["why"] for one in [*kept, *gone]},
        plain=plain,
    )


def _same(ours: Vaulted, theirs: Vaulted | None) -> bool:
    return theirs is not None and theirs.sha256 == ours.sha256


def _as_archives(entries: Iterable[Vaulted], current: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            "created": one.created, "sha256": one.archive_sha256, "bytes": one.bytes, "current": one.created in current,
        }
        for one in entries
    ]  # fmt: skip
