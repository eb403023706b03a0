# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which archives are kept, and why. Pure: plain data in, plain data out.

The rules are those of `restic forget`: of each of the last n days, weeks, months or years that have an archive, the
newest one. Times are UTC, and nothing is measured against a clock: an archive only goes when newer ones take its place.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import times

Archive = Dict[str, Any]


def _week(created: str) -> str:
    year, week = times.parse(created).isocalendar()[:2]
    return f"{year}-W{week:02d}"


PERIODS: Dict[str, Callable[[str], str]] = {
    "daily": lambda created: created[:10],
    "weekly": _week,
    "monthly": lambda created: created[:7],
    "yearly": lambda created: created[:4],
}
RULES = ("last", *PERIODS)


def plan(
    archives: Collection[Archive],
    rules: Mapping[str, int],
    at_least: int = 1,
    max_size: Optional[int] = None,
    verified: Collection[str] = (),
) -> Tuple[List[Archive], List[Archive]]:
    """(kept, gone), both newest first; each archive with `why`, what keeps it or what it is gone for.

    `archives` as `history.listed` gives them. `rules` holds how many of RULES; none at all keeps everything. `max_size`
    (bytes, all kept archives together) then takes the oldest. Neither takes the current archive, one whose sha256 is
    among `verified`, or one that would leave fewer than `at_least`.
    """
    ordered = sorted(archives, key=lambda one: one["created"], reverse=True)  # stable: the order of one second stays
    reasons = _own_reasons(ordered, verified)
    _apply(ordered, {rule: number for rule, number in rules.items() if number}, reasons)
    for why in reasons:
        if sum(map(bool, reasons)) >= at_least:
            break
        if not why:
            why.append(f"at least {at_least}")
    gone_for = _oversized(ordered, reasons, at_least, max_size, verified)
    kept = [dict(one, why=", ".join(reasons[i])) for i, one in enumerate(ordered) if reasons[i] and i not in gone_for]
    gone = [
        dict(one, why=gone_for.get(i, "no rule keeps it"))
        for i, one in enumerate(ordered)
        if i in gone_for or not reasons[i]
    ]
    return kept, gone


def _own_reasons(ordered: List[Archive], verified: Collection[str]) -> List[List[str]]:
    """What keeps an archive whatever rules and size say. Of several with the same bytes the newest is enough."""
    left = set(verified)
    reasons = []
    for one in ordered:
        own = {"the current one": one["current"], "the last verified one": one["sha256"] in left}
        left.discard(one["sha256"])
        reasons.append([why for why, holds in own.items() if holds])
    return reasons


def _apply(ordered: List[Archive], rules: Mapping[str, int], reasons: List[List[str]]) -> None:
    for rule, number in rules.items():
        seen: Dict[str, int] = {}
        for index, one in enumerate(ordered):
            period = PERIODS[rule](one["created"]) if rule in PERIODS else str(index + 1)
            if period not in seen and len(seen) < number:
                seen[period] = index
                reasons[index].append(f"{rule} {period}")
    if not rules:
        for why in reasons:
            why.append("no rule is given")


def _oversized(
    ordered: List[Archive],
    reasons: List[List[str]],
    at_least: int,
    max_size: Optional[int],
    verified: Collection[str],
) -> Dict[int, str]:
    """Which of those that the rules keep go for `max_size`, the oldest first: index -> why."""
    kept = [index for index in range(len(ordered)) if reasons[index]]
    protected = _own_reasons(ordered, verified)
    total = sum(ordered[index]["bytes"] for index in kept)
    gone: Dict[int, str] = {}
    for index in reversed(kept):
        if max_size is None or total <= max_size or len(kept) - len(gone) <= at_least:
            break
        if not protected[index]:
            gone[index] = f"max_size: {total} bytes are more than {max_size}"
            total -= ordered[index]["bytes"]
    return gone
