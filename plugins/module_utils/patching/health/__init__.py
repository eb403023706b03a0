# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tells that a host does its work: units, ports, URLs and commands. One file a kind, behind one small protocol.

A kind is a file with `parse(entry)` (a frozen check with a `name`; ValueError says what is wrong) and `look(checks)`
(an `Answer` each, in their order; never an exception).
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...errors import UpkeepError
from . import commands, ports, units, urls
from .answer import Answer

# What policy calls them, and what one of them is called.
KINDS = {"units": ("unit", units), "ports": ("port", ports), "urls": ("url", urls), "commands": ("command", commands)}
_PAUSE = 1.0  # seconds between two looks at what is red


def parse(spec: Optional[Mapping[str, Any]]) -> List[Tuple[str, Any]]:
    """(kind, check) for each entry of `patch_health`, where null means unset. UpkeepError `invalid_health` names it."""
    spec = {key: value for key, value in _mapping(spec).items() if value is not None}
    unknown = sorted(set(map(str, spec)) - set(KINDS))
    if unknown:
        known = ", ".join(KINDS)
        raise UpkeepError("invalid_health", f"patch_health: {unknown[0]} is no kind of check; there are {known}.")
    parsed = []
    for key, (_name, kind) in KINDS.items():
        entries = spec.get(key, [])
        if not isinstance(entries, (list, tuple)):
            raise UpkeepError("invalid_health", f"patch_health: {key} has to be a list.")
        for number, entry in enumerate(entries, 1):
            try:
                parsed.append((key, kind.parse(entry)))
            except ValueError as error:
                raise UpkeepError("invalid_health", f"patch_health: entry {number} of {key} {error}.")
    return parsed


def look(spec: Optional[Mapping[str, Any]], patience: float = 0) -> Dict[str, Any]:
    """{"checks": [{"kind","name","ok","why","duration_ms"}]}, in policy's order. `patience`: seconds in which what is
    red is looked at again. `ok` is null for what could not be seen, and `why` then begins with `not_seen`.

    Raises UpkeepError `invalid_health` before anything is looked at.
    """
    checks = parse(spec)
    deadline = time.monotonic() + patience
    answers = _look(checks)
    while True:
        red = [number for number, answer in enumerate(answers) if answer.ok is False]
        left = deadline - time.monotonic()
        if not red or left <= 0:
            break
        time.sleep(min(_PAUSE, left))
        for number, answer in zip(red, _look([checks[number] for number in red])):
            answers[number] = answer
    return {
        "checks": [
            {"kind": KINDS[key][0], "name": check.name, **vars(answer)} for (key, check), answer in zip(checks, answers)
        ]
    }


def problems(checks: List[Dict[str, Any]]) -> List[Dict[str, str]]:
    """[{"code","message"}] of what is not green: `health_red`, and `not_seen`."""
    return [
        {
            "code": "health_red" if check["ok"] is False else "not_seen",
            "message": f"{check['kind']} {check['name']}: {check['why']}",
        }
        for check in checks
        if check["ok"] is not True
    ]


def named_ports(spec: Optional[Mapping[str, Any]]) -> List[int]:
    """The ports of this host that policy names, so that they count whatever their number."""
    return sorted({check.port for key, check in parse(spec) if key == "ports" and check.host is None})


def _look(checks: List[Tuple[str, Any]]) -> List[Answer]:
    answers: Dict[int, Answer] = {}
    for key, (_name, kind) in KINDS.items():
        of_kind = [(number, check) for number, (its, check) in enumerate(checks) if its == key]
        if of_kind:
            found = kind.look([check for _number, check in of_kind])
            answers.update(zip((number for number, _check in of_kind), found))
    return [answers[number] for number in range(len(checks))]


def _mapping(spec: Any) -> Mapping[str, Any]:
    if spec is None:
        return {}
    if not isinstance(spec, Mapping):
        raise UpkeepError("invalid_health", f"patch_health has to be a dictionary with {', '.join(KINDS)}.")
    return spec
