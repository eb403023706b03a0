# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every update that is there for an installed package: what `apk upgrade` would do, and what not, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ._apk_database import Constraint, Package, parse_constraint
from ._apk_repositories import without_secrets
from ._run import run
from .model import Pending, Removal

# lib-1.1-r0 x86_64 {libsrc} (MIT) [upgradable from: lib-1.0-r0]
_LISTED = re.compile(r"^(\S+)-(\d[^-\s]*(?:-r\d+)?) (\S+) \{([^}]*)\}")
# (1/3) Upgrading lib (1.0-r0 -> 1.1-r0)     (2/3) Upgrading tagged@edge (1-r0 -> 2-r0)
_STEP = re.compile(
    r"^\(\s*\d+/\d+\) (Upgrading|Installing|Downgrading|Purging|Replacing) ([^\s@]+)\S* \((\S+)(?: -> (\S+))?\)"
)
# Nothing here may fetch, however old the indexes are: a refresh is made where it is asked for, and told of.
_OFFLINE = ("apk", "--no-network")
_POLICY = re.compile(r"^(\S+) policy:$")
_ASKED = 6  # how many packages apk is asked about one by one; the solver's words are long, and each costs a process
_LONGEST = 400


@dataclass(frozen=True)
class Offer:
    """A version that a repository has."""

    version: str
    arch: str
    origin: str


@dataclass
class Plan:
    """`apk upgrade --simulate`: (from, to) by name; `refused` are its words where it can do nothing at all."""

    install: Dict[str, Tuple[Optional[str], str]] = field(default_factory=dict)
    downgrade: List[str] = field(default_factory=list)
    remove: Dict[str, str] = field(default_factory=dict)
    refused: Optional[str] = None


def collect(
    root: str, packages: Mapping[str, Package], world: Mapping[str, Constraint]
) -> Tuple[List[Pending], List[Removal], Plan]:
    """`pending` and `removals` of the document, and the plan. Raises UpkeepError `command_failed`."""
    offered = parse_list(_apk(root, "list", "--upgradable"))
    plan = _plan(root)
    names = sorted({*offered, *plan.install})
    new = [name for name in plan.install if name not in offered]
    listed = _apk(root, "list", "--available", *new) if new else ""
    origins = parse_policy(_apk(root, "policy", *names)) if names else {}
    pending, asked = [], 0
    for name in names:
        offer = offered.get(name)
        _before, version = plan.install.get(name, (None, offer.version if offer else ""))
        if offer is None or offer.version != version:
            offer = next((each for each in parse_all(listed, name) if each.version == version), offer)
        update = _update(name, version, offer, packages.get(name))
        update.origins = origins.get((name, version), [])
        update.downgrade = name in plan.downgrade
        if plan.refused:
            update.blocked_by, update.blocked_detail = "kept_back", f"apk refuses every upgrade: {plan.refused}"
        elif name not in plan.install:
            asked += 1
            update.blocked_by, update.blocked_detail = _why(root, update, packages, world, ask=asked <= _ASKED)
        pending.append(update)
    return pending, _removals(plan, packages, world), plan


def parse_list(text: str) -> Dict[str, Offer]:
    """`apk list`, by name."""
    found = {}
    for line in text.splitlines():
        match = _LISTED.match(line)
        if match:
            found[match.group(1)] = Offer(match.group(2), match.group(3), match.group(4))
    return found


def parse_all(text: str, name: str) -> List[Offer]:
    """Every version of a package that `apk list` shows."""
    matches = (_LISTED.match(line) for line in text.splitlines())
    return [Offer(*match.groups()[1:]) for match in matches if match and match.group(1) == name]


def parse_plan(text: str) -> Plan:
    """The steps of `apk upgrade --simulate`."""
    plan = Plan()
    for match in filter(None, map(_STEP.match, text.splitlines())):
        verb, name, first, second = match.groups()
        if verb == "Purging":
            plan.remove[name] = first
        elif verb == "Installing":
            plan.install[name] = (None, first)
        elif second and second != first:
            plan.install[name] = (first, second)
            if verb == "Downgrading":
                plan.downgrade.append(name)
    return plan


def parse_policy(text: str) -> Dict[Tuple[str, str], List[str]]:
    """`apk policy`: the repositories by package and version."""
    found: Dict[Tuple[str, str], List[str]] = {}
    name = version = ""
    for line in text.splitlines():
        header = _POLICY.match(line)
        if header:
            name = header.group(1)
        elif line.startswith("    "):
            where = line.strip()
            if not where.endswith("lib/apk/db/installed"):
                found.setdefault((name, version), []).append(without_secrets(where))
        elif line.startswith("  "):
            version = line.strip().rstrip(":")
    return found


def solver_words(text: str) -> str:
    """What apk's solver says, in one line: `ERROR: unable to select packages:` and what stands below it."""
    lines = text.split("ERROR:", 1)[-1].splitlines()
    words = " ".join(" ".join(line.split()) for line in lines if line.strip())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 2] + " …"


def _plan(root: str) -> Plan:
    result = run([*_OFFLINE, "--root", root, "upgrade", "--simulate"], allow=tuple(range(256)))
    if result.rc and "ERROR:" in result.stdout + result.stderr:
        return Plan(refused=solver_words(result.stderr if "ERROR:" in result.stderr else result.stdout))
    return parse_plan(result.stdout)


def _apk(root: str, *arguments: str) -> str:
    # A repository that has no index is a warning, and an exit code above 0 in some versions: metadata tells of it.
    return run([*_OFFLINE, "--root", root, *arguments], allow=tuple(range(256))).stdout


def _update(name: str, version: str, offer: Optional[Offer], here: Optional[Package]) -> Pending:
    return Pending(
        name=name,
        arch=(offer.arch if offer else "") or (here.arch if here else ""),
        installed=here.version if here else None,
        candidate=version,
        source_name=(offer.origin if offer else "") or (here.origin if here else name),
        source_version=version,
        origins=[],
        security=False,
        new_dependency=here is None,
    )


def _why(
    root: str, update: Pending, packages: Mapping[str, Package], world: Mapping[str, Constraint], ask: bool
) -> Tuple[str, str]:
    wish = world.get(update.name)
    if wish is not None and wish.caps:
        return "pinned", f"/etc/apk/world says {wish.text}: `apk add {update.name}` would lift that."
    needed = _needed_by(update.name, packages)
    if needed:
        return "kept_back", f"{needed}, and {update.candidate} is not that."
    if ask:
        argv = [*_OFFLINE, "--root", root, "add", "--simulate", f"{update.name}={update.candidate}"]
        result = run(argv, allow=tuple(range(256)))
        if result.rc:
            return "kept_back", f"apk cannot take {update.candidate}: {solver_words(result.stderr or result.stdout)}"
    return "kept_back", f"apk prefers what is installed: see `apk add --simulate '{update.name}={update.candidate}'`."


def _needed_by(name: str, packages: Mapping[str, Package]) -> str:
    """`user 1.0-r0 needs strict=1.0-r0`, of the first package that wants no newer one."""
    for package in packages.values():
        for text in package.depends:
            if text.startswith(name):
                wish: Optional[Constraint] = parse_constraint(text)
                if wish is not None and wish.name == name and wish.caps:
                    return f"{package.name} {package.version} needs {text}"
    return ""


def _removals(plan: Plan, packages: Mapping[str, Package], world: Mapping[str, Constraint]) -> List[Removal]:
    found = []
    for name, version in sorted(plan.remove.items()):
        package = packages.get(name)
        because = "It stands in the way of what /etc/apk/world asks for." if name in world else _orphan(name, plan)
        found.append(Removal(name, package.arch if package else "", version, because))
    return found


def _orphan(name: str, plan: Plan) -> str:
    comes: Sequence[str] = sorted(each for each, (before, _to) in plan.install.items() if before is None)
    instead = f"; {', '.join(comes)} comes in" if comes else ""
    return f"Nothing that stays needs {name}, and /etc/apk/world does not name it{instead}."
