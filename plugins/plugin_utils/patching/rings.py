# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rings: which hosts are patched after which others, and whether those before did well enough to go on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..documents.text import listing, plural
from ..observation import Observation
from .policy import Limit

DEFAULT = ("ring_canary", "ring_early", "ring_main")
_SHOWN = 3
# Why a host was not started that says nothing of whether the updates do well.
_NOT_ITS_OWN = ("outside_window", "budget", "ring_stopped")


class Ring(NamedTuple):
    """An inventory group, and those of the hosts at hand that are patched with it. `name` None: hosts of no ring."""

    name: str | None
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        return self.name or "the hosts of no ring"


def rings_of(names: Sequence[str], groups: Mapping[str, Sequence[str]], targeted: Collection[str]) -> list[Ring]:
    """The rings in their order, the hosts of no ring last; a host of several belongs to the first of them."""
    left = dict.fromkeys(targeted)
    found = []
    for name in names:
        hosts = tuple(host for host in groups.get(name, ()) if host in left)
        for host in hosts:
            left.pop(host, None)
        found.append(Ring(name, hosts))
    return [*found, Ring(None, tuple(left))]


def ring_of(rings: Sequence[Ring], host: str) -> int:
    """The place of the host's ring; that of the hosts of no ring where none has it."""
    return next((place for place, ring in enumerate(rings) if host in ring.hosts), len(rings) - 1)


def stopped(
    rings: Sequence[Ring], host: str, limit: Limit, seen: Mapping[str, Observation], run_folder: str
) -> str | None:
    """Why the host is not to be started, as a sentence; None where it may be.

    `seen`: what this run recorded of phase `patch`. An earlier ring has ended, so a host of it that left no record has
    failed; one of the same ring may still be at work.
    """
    own = ring_of(rings, host)
    for place, ring in enumerate(rings[: own + 1]):
        others = [other for other in ring.hosts if other != host]
        failed = {other: why for other in others if (why := _failure(seen.get(other), place < own))}
        if len(failed) > limit.of(len(ring.hosts)):
            return _told(ring, failed, limit, run_folder)
    return None


def _failure(observation: Observation | None, has_ended: bool) -> str | None:
    if observation is None:
        return "nothing was recorded of it" if has_ended else None
    reason = observation.reason or observation.status
    if observation.status not in ("failed", "unknown") or reason.startswith(tuple(f"{x}:" for x in _NOT_ITS_OWN)):
        return None
    return reason


def _told(ring: Ring, failed: Mapping[str, str], limit: Limit, run_folder: str) -> str:
    each = listing([f"{host} failed ({why.rstrip('.')})" for host, why in failed.items()], _SHOWN)
    return (
        f"{ring} did not do well: {each}. {len(failed)} of {plural(len(ring.hosts), 'host')} failed, and "
        f"patch_ring_failures is {limit}. Look at {run_folder}/hosts/{next(iter(failed))}/, mend it, then run again"
    )
