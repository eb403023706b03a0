# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The most of what is wanted that a solver can do at once, where it only ever says yes or no to a whole request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ._largest import Attempt, largest
from .transaction import Action, Simulation, Wanted


@dataclass(frozen=True)
class Answer:
    """What a solver would do for a request, or its words where it refuses. Sizes as in `Simulation`."""

    actions: List[Action] = field(default_factory=list)
    refused: Optional[str] = None
    download_bytes: Optional[int] = None
    disk_bytes: Optional[int] = None


Ask = Callable[[Sequence[Wanted]], Answer]
Benign = Callable[[str], bool]


def settle(wanted: Sequence[Wanted], removals: bool, ask: Ask, benign: Benign = lambda name: False) -> Simulation:
    """The simulation of the most of `wanted` that can be done in one transaction.

    `benign` tells of a name whether its removal needs no permission (the oldest of several kernels). What the solver's
    words name is left out at first, and asked for once more at the end: they also name what only stands beside.
    """

    def tried(group: Sequence[Wanted]) -> Attempt:
        if not group:
            return Attempt(Answer())
        answer = ask(group)
        refused = _refused(answer, group, removals, benign)
        if refused is None:
            return Attempt(answer)
        named = [each for each in group if f"{each.name}-" in refused or f"{each.name} " in refused]
        return Attempt(why=refused, blamed={each: refused for each in named} if len(named) < len(group) else {})

    ordered = sorted(wanted, key=lambda each: (each.name, each.arch))
    best, left_out = largest(ordered, tried)
    accepted = [each for each in ordered if each not in dict(left_out)]
    impossible: List[Tuple[Wanted, str]] = []
    for each, _why in left_out:
        again = tried([*accepted, each])
        if again.result is None:
            impossible.append((each, again.why))
        else:
            best, accepted = again.result, [*accepted, each]
    reasons = {(each.name, each.arch): each.why for each in wanted}
    actions = [_with_reason(action, reasons) for action in best.actions]
    return Simulation(
        sorted(actions, key=lambda action: (action.name, action.arch, action.after or "")),
        sorted(impossible, key=lambda pair: (pair[0].name, pair[0].arch)),
        best.download_bytes,
        best.disk_bytes,
    )


def _refused(answer: Answer, asked: Sequence[Wanted], removals: bool, benign: Benign) -> Optional[str]:
    if answer.refused is not None:
        return answer.refused
    gone = [action for action in answer.actions if action.action == "remove" and not benign(action.name)]
    if gone and not removals:
        names = ", ".join(f"{action.name} {action.before}" for action in gone)
        return f"It needs the removal of {names}, and removals are not allowed (patch_removals)."
    comes = {(action.name, action.arch): action.after for action in answer.actions if action.after}
    for each in asked:
        found = comes.get((each.name, each.arch))
        if found != each.version:
            instead = f"takes {found}" if found else "leaves it as it is"
            return f"Asked for {each.name} {each.version}, the package manager {instead}."
    return None


def _with_reason(action: Action, reasons: Dict[Tuple[str, str], str]) -> Action:
    why = reasons.get((action.name, action.arch))
    if why is None:
        why = (
            "What is wanted takes its place, or no longer needs it."
            if action.action == "remove"
            else "What is wanted needs it."
        )
    return Action(action.action, action.name, action.arch, action.before, action.after, why, action.reversible)
