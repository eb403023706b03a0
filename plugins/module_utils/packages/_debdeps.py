# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian dependency fields, and why a package cannot be what one would like it to be.

This explains apt's decision, it does not make it: architecture qualifiers are ignored, and where nothing is found the
answer is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Iterator, Mapping, Optional

from ._debversion import version_key

_RELATION = re.compile(r"^\s*([^\s(:\[]+)(?::[^\s(]+)?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?")
_HOLDS = {
    "<<": lambda a, b: a < b,
    "<": lambda a, b: a <= b,  # deb-control: the old single signs mean "or equal"
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a >= b,
    ">>": lambda a, b: a > b,
}
_NEEDS = ("pre-depends", "depends")
_CONSEQUENCE = "kept back"
_AGAINST = {"conflicts": "conflicts with", "breaks": "breaks"}


@dataclass(frozen=True)
class Relation:
    """`name (operator version)`; operator and version are empty where any version will do."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def accepts(self, version: Optional[str]) -> bool:
        """Whether a package (or an unversioned provision: None) of this name will do."""
        if not self.operator:
            return True
        return version is not None and _HOLDS[self.operator](version_key(version), version_key(self.version))


@dataclass(frozen=True)
class Unit:
    """A package at one version with its control fields (lower-case names)."""

    name: str
    arch: str
    version: str
    fields: Mapping[str, str]


def parse_relations(text: str) -> list[list[Relation]]:
    """`a (>= 1) | b, c` as a list of groups of alternatives. What cannot be read is left out."""
    groups = []
    for part in text.replace("\n", " ").split(","):
        matches = (_RELATION.match(alternative) for alternative in part.split("|"))
        group = [Relation(m.group(1), m.group(2) or "", m.group(3) or "") for m in matches if m]
        if group:
            groups.append(group)
    return groups


class World:
    """A set of packages that would be installed together."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._by_name: dict[str, list[Unit]] = {}
        self._provided: dict[str, list[tuple[Unit, Optional[str]]]] = {}
        for unit in units:
            self._by_name.setdefault(unit.name, []).append(unit)
            for relation, *_more in parse_relations(unit.fields.get("provides", "")):
                self._provided.setdefault(relation.name, []).append((unit, relation.version or None))

    def units(self) -> Iterator[Unit]:
        """All of them."""
        for group in self._by_name.values():
            yield from group

    def named(self, name: str) -> list[Unit]:
        """Those of this name, one an architecture."""
        return self._by_name.get(name, [])

    def matching(self, relation: Relation) -> list[Unit]:
        """Those that a relation speaks of, provisions included."""
        found = [unit for unit in self.named(relation.name) if relation.accepts(unit.version)]
        found += [unit for unit, version in self._provided.get(relation.name, ()) if relation.accepts(version)]
        return found

    def satisfies(self, group: list[Relation]) -> bool:
        """Whether one of the alternatives is there."""
        return any(self.matching(relation) for relation in group)


def unmet(unit: Unit, world: World) -> list[str]:
    """The dependencies of `unit` that `world` does not satisfy, each as a phrase."""
    return [
        "needs " + " | ".join(map(str, group)) + _instead(group, world)
        for field in _NEEDS
        for group in parse_relations(unit.fields.get(field, ""))
        if not world.satisfies(group)
    ]


def obstacle(unit: Unit, world: World, states: Mapping[str, str]) -> Optional[str]:
    """Why `unit` does not fit into `world` (what would be installed without it), as a phrase; None if it seems to fit.

    `states` says why a package is not at another version (`held`, …), to be put beside its name. Of several obstacles
    one that goes back to such a decision is told rather than one that is a consequence itself.
    """
    found = list(_obstacles(unit, world, states))
    decided = [f"({state})" for state in set(states.values()) if state != _CONSEQUENCE]
    return next((each for each in found if any(state in each for state in decided)), found[0] if found else None)


def _obstacles(unit: Unit, world: World, states: Mapping[str, str]) -> Iterator[str]:
    others = [other for other in world.units() if (other.name, other.arch) != (unit.name, unit.arch)]
    fitted = World([*others, unit])
    for field in _NEEDS:
        for group in parse_relations(unit.fields.get(field, "")):
            if not fitted.satisfies(group):
                yield "needs " + " | ".join(map(str, group)) + _instead(group, world, states)
    rest = World(others)
    for field, verb in _AGAINST.items():
        for group in parse_relations(unit.fields.get(field, "")):
            for other in rest.matching(group[0]):
                yield f"{verb} {other.name} {other.version}{_state(other.name, states)}"
    names = {unit.name, *(r.name for group in parse_relations(unit.fields.get("provides", "")) for r in group)}
    alone = World([unit])
    for other in others:
        for field in (*_AGAINST, *_NEEDS):
            text = other.fields.get(field, "")
            if not any(name in text for name in names):
                continue  # parsing every field of every package would take a second
            for group in parse_relations(text):
                if field in _AGAINST and alone.matching(group[0]):
                    yield f"{other.name} {other.version} {_AGAINST[field]} it"
                if field in _NEEDS and any(r.name in names for r in group) and not fitted.satisfies(group):
                    wanted = " | ".join(map(str, group))
                    yield f"{other.name} {other.version}{_state(other.name, states)} needs {wanted}"


def _instead(group: list[Relation], world: World, states: Optional[Mapping[str, str]] = None) -> str:
    for relation in group:
        for unit in world.named(relation.name):
            return f", but {unit.name} would be at {unit.version}{_state(unit.name, states or {})}"
    return ", which would not be installed" if len(group) == 1 else ", none of which would be installed"


def _state(name: str, states: Mapping[str, str]) -> str:
    return f" ({states[name]})" if name in states else ""
