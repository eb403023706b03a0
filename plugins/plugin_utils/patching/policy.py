# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy of a patch run: the role's variables, checked as a whole before anything starts. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..findings import SEVERITIES
from . import fields, windows
from .fields import Wrong
from .windows import Window

MODES = ("report", "security", "all", "list")
LONGEST_EXCEPTION = timedelta(days=180)
_TAKEN = TypeVar("_TAKEN")


@dataclass(frozen=True)
class Rule:
    """Which of what the mode selects is approved, and how long after its publication. No match of a kind: any."""

    name: str
    severity: frozenset[str] = frozenset()
    security: bool | None = None
    package: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    approve: bool = True
    after: timedelta = timedelta(0)


@dataclass(frozen=True)
class Exempt:
    """Packages that are left out on purpose. `expires` is the last day on which they are."""

    package: tuple[str, ...]
    reason: str
    approver: str
    expires: date


class Listed(NamedTuple):
    """An entry of `patch_list`: a name or glob, and the only version that is wanted of it, if any."""

    package: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.package}={self.version}" if self.version else self.package


class Limit(NamedTuple):
    """How many hosts of a ring may fail: a number, or a part of the ring's hosts in percent."""

    number: int = 0
    percent: bool = False

    def of(self, hosts: int) -> int:
        """The number for a ring of so many hosts; parts of a host do not count."""
        return hosts * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


_NONE_MAY_FAIL = Limit()


@dataclass(frozen=True)
class Policy:
    """The checked variables of role `patch` that decide on the controller; seconds where the role says seconds."""

    mode: str = "security"
    listed: tuple[Listed, ...] = ()
    rules: tuple[Rule, ...] = ()
    exceptions: tuple[Exempt, ...] = ()
    removals: bool = False
    irreversible: str = "allow"
    windows: tuple[Window, ...] = ()
    outside_window: bool = False
    budget: int = 0
    expected_duration: int = 900
    ring_failures: Limit = _NONE_MAY_FAIL
    refresh: str = "if_stale"
    max_age: int = 86_400
    backup: str = "take"
    backup_max_age: int = 86_400
    backup_sets: tuple[str, ...] = ()
    reboot: str = "if_needed"

    @property
    def sha256(self) -> str:
        """Of what decides a plan, as canonical JSON: when and in which order hosts are patched does not."""
        decides = {
            "mode": self.mode,
            "list": sorted(map(str, self.listed)),
            "rules": [_plain(rule) for rule in self.rules],
            "exceptions": [_plain(each) for each in self.exceptions],
            "removals": self.removals,
            "irreversible": self.irreversible,
        }
        text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def _limit(value: Any, key: str) -> Limit:
    written = str(value).strip()
    try:
        number = fields.number(written.removesuffix("%").strip(), key)
    except Wrong:
        raise Wrong(f"{key}: {value!r} is neither a number of hosts nor a part such as 10%") from None
    if written.endswith("%") and number > 100:
        raise Wrong(f"{key}: {value!r} is more than all hosts")
    return Limit(number, written.endswith("%"))


# The role's variable without its prefix -> (the field of Policy, how it is read). Lists of entries: see `_LISTS`.
_VARIABLES: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "mode": ("mode", lambda value, key: fields.choice(value, key, MODES)),
    "removals": ("removals", lambda value, key: fields.choice(value, key, ("refuse", "allow")) == "allow"),
    "irreversible": ("irreversible", lambda value, key: fields.choice(value, key, ("allow", "leave_out", "refuse"))),
    "outside_window": ("outside_window", fields.truth),
    "budget": ("budget", fields.number),
    "expected_duration": ("expected_duration", fields.number),
    "ring_failures": ("ring_failures", _limit),
    "refresh": ("refresh", lambda value, key: fields.choice(value, key, ("never", "if_stale", "always"))),
    "max_age": ("max_age", fields.number),
    "backup": ("backup", lambda value, key: fields.choice(value, key, ("take", "require", "skip"))),
    "backup_max_age": ("backup_max_age", fields.number),
    "backup_sets": ("backup_sets", fields.texts),
    "reboot": ("reboot", lambda value, key: fields.choice(value, key, ("never", "if_needed", "always"))),
}
# Numbers that the role's tasks hand on to the host, and the least that makes sense.
_HANDED_ON = {
    "soak": 0, "lock_patience": 0, "health_patience": 0, "apply_timeout": 1, "reboot_timeout": 1, "keep_runs": 1,
}  # fmt: skip
NAMES = tuple(f"patch_{name}" for name in (*_VARIABLES, *_HANDED_ON, "list", "rules", "exceptions", "windows"))


def parse(variables: Mapping[str, Any], today: date) -> Policy:
    """The policy that the role's variables (by their full names; null: not given) make on that day.

    Raises UpkeepError `invalid_policy`: each mistake with its variable, entry, what is wrong, and what is allowed.
    """
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name, (field, read) in _VARIABLES.items():
        value = variables.get(f"patch_{name}")
        if fields.given(value):
            for taken in _tried(lambda: read(value, f"patch_{name}"), "", problems):  # noqa: B023
                found[field] = taken
    for name, least in _HANDED_ON.items():
        value = variables.get(f"patch_{name}")
        if fields.given(value):
            _tried(lambda: fields.number(value, f"patch_{name}", least), "", problems)  # noqa: B023
    found["listed"] = _entries(variables, "patch_list", _listed, problems)
    found["rules"] = _entries(variables, "patch_rules", _rule, problems)
    found["exceptions"] = _entries(variables, "patch_exceptions", lambda value: _exempt(value, today), problems)
    found["windows"] = _entries(variables, "patch_windows", windows.parse, problems)
    names = [rule.name for rule in found["rules"]]
    problems += [f"patch_rules: two rules are called {name}" for name in dict.fromkeys(names) if names.count(name) > 1]
    if found.get("mode") == "list" and not found["listed"] and not fields.given(variables.get("patch_list") or None):
        problems.append("patch_mode is list, but patch_list names no package: name some, or choose another mode")
    if problems:
        raise UpkeepError("invalid_policy", f"{'; '.join(problems)}.", problems=problems)
    return Policy(**found)


def active(exempt: Exempt, today: date) -> bool:
    """Whether an exception still holds; its last day counts in."""
    return today <= exempt.expires


def matches(globs: tuple[str, ...], names: tuple[str | None, ...]) -> bool:
    """Whether one of `names` matches one of `globs`."""
    return any(fnmatchcase(name, glob) for name in names if name for glob in globs)


def _entries(
    variables: Mapping[str, Any], name: str, read: Callable[[Any], _TAKEN], problems: list[str]
) -> tuple[_TAKEN, ...]:
    value = variables.get(name)
    if not fields.given(value):
        return ()
    if isinstance(value, str) and name == "patch_list":
        value = [part for part in re.split(r"[,\s]+", value) if part]
    if not isinstance(value, (list, tuple)):
        problems.append(f"{name}: {value!r} is no list")
        return ()
    found: list[_TAKEN] = []
    for number, each in enumerate(value, 1):
        called = each.get("name") if isinstance(each, Mapping) else None
        place = f"{name}, entry {number}" + (f" ({called})" if called else "")
        found += _tried(lambda: read(each), f"{place}: ", problems)  # noqa: B023
    return tuple(found)


def _tried(read: Callable[[], _TAKEN], place: str, problems: list[str]) -> list[_TAKEN]:
    try:
        return [read()]
    except Wrong as wrong:
        problems.append(f"{place}{wrong}")
        return []


def _rule(value: Any) -> Rule:
    entry = fields.entry(value, ("name", "match", "approve", "approve_after"), required=("name",))
    match = fields.entry(entry.get("match", {}), ("severity", "security", "package", "origin"))
    approve = fields.truth(entry.get("approve", True), "approve")
    if not approve and "approve_after" in entry:
        raise Wrong("approve is false, so approve_after would mean nothing: leave one of them out")
    return Rule(
        name=fields.text(entry["name"], "name"),
        severity=fields.choices(match.get("severity"), "match.severity", SEVERITIES),
        security=fields.truth(match["security"], "match.security") if "security" in match else None,
        package=fields.texts(match.get("package"), "match.package"),
        origin=fields.texts(match.get("origin"), "match.origin"),
        approve=approve,
        after=fields.duration(entry.get("approve_after", 0), "approve_after"),
    )


def _exempt(value: Any, today: date) -> Exempt:
    keys = ("package", "reason", "approver", "expires")
    entry = fields.entry(value, keys, required=keys)
    package = fields.texts(entry["package"], "package")
    if not package:
        raise Wrong("package names none")
    expires = fields.day(entry["expires"], "expires")
    if expires > today + LONGEST_EXCEPTION:
        raise Wrong(
            f"expires: {expires} is {(expires - today).days} days off, and an exception lasts at most "
            f"{LONGEST_EXCEPTION.days}: until {today + LONGEST_EXCEPTION}"
        )
    return Exempt(package, fields.text(entry["reason"], "reason"), fields.text(entry["approver"], "approver"), expires)


def _listed(value: Any) -> Listed:
    name, equals, version = (part.strip() for part in fields.text(value, "it").partition("="))
    if not name or (equals and not version):
        raise Wrong(f"{value!r} is neither a name nor name=version")
    return Listed(name, version or None)


def _plain(entry: Any) -> dict[str, Any]:
    """A rule or exception as canonical JSON can hold it."""
    return {key: _json(value) for key, value in vars(entry).items()}


def _json(value: Any) -> Any:
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (frozenset, tuple)):
        return sorted(value)
    return value
