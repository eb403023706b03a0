# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every update that is there for an installed package: what `pacman -Su` would install, and what not, with the reason.

pacman upgrades all or nothing. Where it refuses, what stands in its way is found by leaving that out and asking again.
It looks for conflicts only when it is about to change something, which never happens here: `_alpm_removals` does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from .. import times
from . import _alpm_removals
from ._alpm_config import Config
from ._alpm_database import Desc, Local, groups, read_sync, value
from ._run import run
from .model import Pending, Removal

_UPDATE = re.compile(r"^(\S+) (\S+) -> (\S+)(?: \[ignored\])?$")
# What libalpm says of a transaction that it cannot prepare; `culprit` is what would have to be left out of it.
_REFUSALS = (
    re.compile(r"^:: unable to satisfy dependency '[^']+' required by (?P<culprit>\S+)$"),
    re.compile(r"^:: installing (?P<culprit>\S+) \(\S+\) breaks dependency '[^']+' required by \S+$"),
)
_ROUNDS = 12


@dataclass
class Plan:
    """(repository, version) by name of what `pacman -Su` would install; what it says against it; `refusals` by what
    would have to be left out. `complete`: whether leaving that out is all that is needed."""

    install: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    refusals: Dict[str, str] = field(default_factory=dict)
    said: List[str] = field(default_factory=list)
    complete: bool = True


def collect(config: Config, dbpath: str, local: Local) -> Tuple[List[Pending], List[Removal], Plan]:
    """`pending` and `removals` of the document, and the plan. Raises UpkeepError (`command_failed`, damage)."""
    offered = updates(run([*config.arguments(dbpath), "-Qu"], allow=(0, 1)).stdout)
    plan = make_plan(config, dbpath)
    wanted = {**offered, **{name: version for name, (_repository, version) in plan.install.items()}}
    lists = {name: read_sync(path, set(wanted)) for name, path in _databases(config, dbpath).items()}
    pending = []
    for name, version in sorted(wanted.items()):
        repository = plan.install.get(name, ("", ""))[0]
        # pacman takes a package from the first repository that has it.
        repository = repository or next((each for each, descs in lists.items() if name in descs), "")
        desc = lists.get(repository, {}).get(name, {})
        update = _update(name, version, repository, desc, local)
        update.blocked_by, update.blocked_detail = _blocked(update, desc, config, local, plan)
        pending.append(update)
    if plan.refusals:
        return pending, [], plan
    origins = {name: repository for name, (repository, _version) in plan.install.items()}
    coming = {name: lists.get(repository, {}).get(name, {}) for name, repository in origins.items()}
    removals = _alpm_removals.collect(coming, origins, config.options.get("HoldPkg", []), local)
    for update in pending:
        update.needs_full_upgrade = update.blocked_by is None and _alpm_removals.asked_for(removals)
    return pending, removals, plan


def updates(text: str) -> Dict[str, str]:
    """`pacman -Qu`: the newer version by name, ignored ones included."""
    return {match.group(1): match.group(3) for match in map(_UPDATE.match, text.splitlines()) if match}


def make_plan(config: Config, dbpath: str) -> Plan:
    """Ask pacman; where it refuses, leave out what it names, and ask again."""
    plan = Plan()
    for _round in range(_ROUNDS):
        left_out = [word for name in sorted(plan.refusals) for word in ("--ignore", name)]
        argv = [*config.arguments(dbpath), "-Su", "--print", "--print-format", "%r\t%n\t%v", *left_out]
        result = run(argv, allow=(0, 1))
        if result.rc == 0:
            plan.install = parse_plan(result.stdout)
            return plan
        found = refusals(result.stdout + "\n" + result.stderr)
        plan.said += [line for line in found.values() if line not in plan.said]
        if not set(found) - set(plan.refusals):
            break
        plan.refusals = {**found, **plan.refusals}
    plan.complete = False
    if not plan.said:
        plan.said = [line[7:] for line in result.stderr.splitlines() if line.startswith("error: ")][:1]
    return plan


def parse_plan(text: str) -> Dict[str, Tuple[str, str]]:
    """The lines of `--print-format '%r\\t%n\\t%v'`."""
    rows = (line.split("\t") for line in text.splitlines())
    return {row[1]: (row[0], row[2]) for row in rows if len(row) == 3}


def refusals(text: str) -> Dict[str, str]:
    """libalpm's sentences by the package that would have to be left out."""
    found: Dict[str, str] = {}
    for line in text.splitlines():
        for pattern in _REFUSALS:
            match = pattern.match(line.strip())
            if match:
                found.setdefault(match.group("culprit"), line.strip()[3:])
                break
    return found


def _databases(config: Config, dbpath: str) -> Dict[str, str]:
    """The files of those repositories whose database is there."""
    paths = {name: os.path.join(dbpath, "sync", f"{name}.db") for name in config.repositories}
    return {name: path for name, path in paths.items() if os.path.exists(path)}


def _update(name: str, version: str, repository: str, desc: Desc, local: Local) -> Pending:
    here = local.packages.get(name)
    built = value(desc, "BUILDDATE")
    return Pending(
        name=name,
        arch=value(desc, "ARCH") or value(here or {}, "ARCH"),
        installed=value(here, "VERSION") if here else None,
        candidate=version,
        source_name=value(desc, "BASE") or value(here or {}, "BASE", name),
        source_version=version,
        origins=[repository] if repository else [],
        security=False,
        published_at=_time(built),
        new_dependency=here is None,
    )


def _time(seconds: str) -> Optional[str]:
    return times.from_timestamp(int(seconds)) if seconds.isdecimal() and len(seconds) < 12 else None


def _blocked(
    update: Pending, desc: Desc, config: Config, local: Local, plan: Plan
) -> Tuple[Optional[str], Optional[str]]:
    ignored = config.ignored(update.name, list(groups(local.packages.get(update.name, {}), desc)))
    if ignored and update.name not in plan.install:
        return ignored
    if update.name in plan.refusals:
        return "kept_back", f"{_sentence(plan.refusals[update.name])} pacman refuses the whole upgrade for it."
    if plan.refusals:
        names = ", ".join(sorted(plan.refusals))
        way = f"; `pacman -Syu --ignore {names.replace(', ', ',')}` leaves that out" if plan.complete else ""
        return "kept_back", f"pacman upgrades all or nothing, and refuses because of {names}{way}."
    if not plan.complete:
        said = _sentence(plan.said[0]) if plan.said else "It does not say why."
        return "kept_back", f"pacman refuses the whole upgrade: {said}"
    if update.name in plan.install:
        return None, None
    if update.origins and not config.for_upgrades(update.origins[0]):
        return "excluded", f"Usage in {config.conf} keeps the repository {update.origins[0]} from upgrades."
    return "kept_back", f"pacman leaves it out and does not say why: see `pacman -Su --debug` for {update.name}."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
