# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why apt plans what nobody asked for: which of the planned packages needs it, or cannot live with what is there."""

from __future__ import annotations

from typing import Collection, Iterator, List, Mapping, Optional, Tuple

from ._apt_view import Key, Plan
from ._debdeps import Relation, parse_relations
from ._dpkg import DpkgPackage

_NEEDS = ("pre-depends", "depends")
_AGAINST = {"breaks": "breaks", "conflicts": "conflicts with"}
_UNKNOWN = "what is wanted needs it"


def label(key: Key, native: str) -> str:
    """The package as apt calls it: with its architecture only where that is a foreign one."""
    return key[0] if key[1] == native else f"{key[0]}:{key[1]}"


class Reasons:
    """`offered` has the fields of the new versions by key and version, `here` what is installed."""

    def __init__(
        self,
        plan: Plan,
        here: Mapping[Key, DpkgPackage],
        offered: Mapping[Tuple[Key, str], Mapping[str, str]],
        native: str,
    ) -> None:
        self._plan, self._here, self._native = plan, here, native
        self._new = {key: offered.get((key, step.version), {}) for key, step in plan.install.items()}

    def because(self, key: Key) -> str:
        """Why `key` is installed, upgraded or removed, as a phrase."""
        return next((phrase for _other, phrase in self._causes(key)), _UNKNOWN)

    def root(self, key: Key, wanted: Collection[Key]) -> Optional[Key]:
        """The wanted package that it goes back to; None where that cannot be told."""
        seen: List[Key] = []
        waiting = [key]
        while waiting:
            each = waiting.pop(0)
            if each in wanted:
                return each
            if each not in seen:
                seen.append(each)
                waiting += [other for other, _phrase in self._causes(each)]
        return None

    def _causes(self, key: Key) -> Iterator[Tuple[Key, str]]:
        here = self._here.get(key)
        there = self._name(key)
        for other, step in self._plan.install.items():
            if other == key:
                continue
            title = f"{self._name(other)} {step.version}"
            for relation in _relations(self._new[other], _NEEDS):
                if relation.name in self._names(key) and not (here and relation.accepts(here.version)):
                    yield other, f"{title} needs it"
            if here is None:
                continue
            for field, verb in _AGAINST.items():
                for relation in _relations(self._new[other], (field,)):
                    if relation.name == key[0] and relation.accepts(here.version):
                        yield other, f"{title} {verb} {there} {here.version}"
            for relation in _relations(here.fields, _NEEDS):
                if relation.name == other[0] and not relation.accepts(step.version):
                    yield other, f"{there} {here.version} needs {relation}"
        for other in self._plan.remove:
            if here and other != key and any(each.name == other[0] for each in _relations(here.fields, _NEEDS)):
                yield other, f"it needs {self._name(other)}, which is removed"

    def _names(self, key: Key) -> List[str]:
        provided = parse_relations(self._new.get(key, {}).get("provides", ""))
        return [key[0], *(relation.name for group in provided for relation in group)]

    def _name(self, key: Key) -> str:
        return label(key, self._native)


def _relations(fields: Mapping[str, str], names: Collection[str]) -> Iterator[Relation]:
    for name in names:
        for group in parse_relations(fields.get(name, "")):
            yield from group
