# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed after a change, compared with what it was and what was planned. Pure.

Several versions of one package may stand side by side (kernels, with rpm): each name and architecture has a set. A
package that has one architecture goes by its name alone, since an update may turn a package of all into one of amd64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Name = tuple[str, str]
Versions = dict[Name, set[str]]
Actions = Sequence[Mapping[str, Any]]
# What dpkg lists and is not there.
_GONE = ("config-files", "not-installed")
_NEUTRAL = ("all", "noarch", "any")
_UNDONE = {"upgrade": "downgrade", "downgrade": "upgrade", "install": "remove", "remove": "install"}


class Difference(NamedTuple):
    """`missed`: what of the plan is not so. `unplanned`: what changed beside it. Sentences."""

    missed: list[str]
    unplanned: list[str]


def versions(installed: Iterable[Any]) -> Versions:
    """From a patch level's `installed`, or from [name, arch, version] lists."""
    found: Versions = {}
    for each in installed:
        if isinstance(each, Mapping):
            if each.get("state") in _GONE:
                continue
            name, arch, version = each["name"], each.get("arch"), each["version"]
        else:
            name, arch, version = each
        found.setdefault((str(name), str(arch)), set()).add(str(version))
    return found


def undone(actions: Actions) -> list[dict[str, Any]]:
    """The actions that take `actions` back."""
    return [
        {**each, "action": _UNDONE[each["action"]], "from": each.get("to"), "to": each.get("from")} for each in actions
    ]


def expected(before: Versions, actions: Actions) -> Versions:
    """What is installed when exactly `actions` are done, whatever part of them was done already."""
    found = {name: set(those) for name, those in before.items()}
    for action in actions:
        those = found.setdefault(_name(action), set())
        those.discard(str(action.get("from")))
        if action.get("to") is not None:
            those.add(str(action["to"]))
    return {name: those for name, those in found.items() if those}


def compare(before: Versions, after: Versions, actions: Actions) -> Difference:
    """Whether `actions`, and nothing but them, turned `before` into `after`."""
    several = _of_several([*before, *after, *map(_name, actions)])
    before, after = _by(several, before), _by(several, after)
    actions = [{**each, "arch": _known_by(several, _name(each))[1]} for each in actions]
    wanted = expected(before, actions)
    planned = {_name(action): action for action in actions}
    missed = [told for name, action in sorted(planned.items()) if (told := _missed(action, name, wanted, after))]
    unplanned = [
        _unplanned(name, wanted.get(name, set()), after.get(name, set()))
        for name in sorted({*wanted, *after} - set(planned))
        if wanted.get(name) != after.get(name)
    ]
    return Difference(missed, unplanned)


def marks(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[str]:
    """Packages that are held, or count as automatically installed, otherwise than before; sentences."""
    was = {(each["name"], each.get("arch")): each for each in before}
    told = []
    for each in after:
        earlier = was.get((each["name"], each.get("arch")), each)
        for key, yes, no in (("held", "on hold", "not on hold"), ("auto", "automatic", "manual")):
            if bool(earlier.get(key)) != bool(each.get(key)):
                words = (no, yes) if each.get(key) else (yes, no)
                told.append(f"{each['name']} was marked {words[0]} and is {words[1]} now")
    return told


def _of_several(names: Iterable[Name]) -> set[str]:
    """The packages that are there for more than one architecture."""
    seen: dict[str, set[str]] = {}
    for name, arch in names:
        if arch not in _NEUTRAL:
            seen.setdefault(name, set()).add(arch)
    return {name for name, arches in seen.items() if len(arches) > 1}


def _known_by(several: set[str], name: Name) -> Name:
    return name if name[0] in several else (name[0], "")


def _by(several: set[str], versions_of: Versions) -> Versions:
    found: Versions = {}
    for name, those in versions_of.items():
        found.setdefault(_known_by(several, name), set()).update(those)
    return found


def _missed(action: Mapping[str, Any], name: Name, wanted: Versions, after: Versions) -> str | None:
    here = after.get(name, set())
    if here == wanted.get(name, set()):
        return None
    shown = ", ".join(sorted(here)) or "not installed"
    plan = f"{action['to']}" if action.get("to") is not None else "its removal"
    return f"{_shown(name)} is {shown}, planned was {plan}"


def _unplanned(name: Name, wanted: set[str], here: set[str]) -> str:
    if not wanted:
        return f"{_shown(name)} {', '.join(sorted(here))} came along, which was not planned"
    if not here:
        return f"{_shown(name)} {', '.join(sorted(wanted))} is gone, which was not planned"
    return f"{_shown(name)} is {', '.join(sorted(here))} instead of {', '.join(sorted(wanted))}, which was not planned"


def _name(action: Mapping[str, Any]) -> Name:
    return str(action["name"]), str(action.get("arch"))


def _shown(name: Name) -> str:
    return f"{name[0]} ({name[1]})" if name[1] else name[0]
