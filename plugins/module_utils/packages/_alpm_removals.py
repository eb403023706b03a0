# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an upgrade by pacman would take away: what is replaced, and what is in conflict with what comes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Dict, List, Mapping

from ._alpm_database import Desc, Local, value
from ._run import run
from .model import Removal

_RELATION = re.compile(r"^(.+?)(<=|>=|=|<|>)(.+)$")
_ASKS = "pacman asks first, and an upgrade that may not ask (--noconfirm) refuses as a whole."


def collect(coming: Mapping[str, Desc], origins: Mapping[str, str], hold: List[str], local: Local) -> List[Removal]:
    """The installed packages that must go for `coming`, the plan's packages (their repository in `origins`).

    `hold` is HoldPkg. Raises UpkeepError `command_failed`.
    """
    found: Dict[str, Removal] = {}
    everyone = sorted(local.packages.items())
    wary = [(old, here) for old, here in everyone if here.get("CONFLICTS")]
    for name, desc in sorted(coming.items()):
        # Most packages replace nothing and conflict with nothing: spare the pairs that cannot matter.
        for old, here in everyone if desc.get("CONFLICTS") or desc.get("REPLACES") else wary:
            if old in coming or old in found:
                continue
            because = ""
            if name not in local.packages and any(_is(wanted, here) for wanted in desc.get("REPLACES", ())):
                because = f"{name} from {origins[name]} replaces it."
                because += " pacman asks before it does (HoldPkg)." if old in hold else ""
            elif _clash(desc, here):
                because = f"{name} from {origins[name]} is in conflict with it; {_ASKS}"
            if because:
                found[old] = Removal(old, value(here, "ARCH"), value(here, "VERSION"), because)
    return [found[name] for name in sorted(found)]


def asked_for(removals: List[Removal]) -> bool:
    """Whether pacman removes any of them only after a yes."""
    return any(_ASKS in removal.because for removal in removals)


def _clash(one: Desc, other: Desc) -> bool:
    return any(_meets(wanted, other) for wanted in one.get("CONFLICTS", ())) or any(
        _meets(wanted, one) for wanted in other.get("CONFLICTS", ())
    )


def _meets(wanted: str, desc: Desc) -> bool:
    """Whether a package is, or provides, what `name` or `name<version` means."""
    return _is(wanted, desc) or any(_fits(wanted, *_split(each)[::2]) for each in desc.get("PROVIDES", ()))


def _is(wanted: str, desc: Desc) -> bool:
    return _fits(wanted, value(desc, "NAME"), value(desc, "VERSION"))


def _fits(wanted: str, name: str, version: str) -> bool:
    wanted_name, relation, limit = _split(wanted)
    if wanted_name != name:
        return False
    return not relation or (bool(version) and "<=>"[_order(version, limit) + 1] in relation)


def _split(requirement: str) -> List[str]:
    match = _RELATION.match(requirement)
    return list(match.groups()) if match else [requirement, "", ""]


@lru_cache(maxsize=None)
def _order(a: str, b: str) -> int:
    """-1, 0 or 1, as libalpm has it."""
    return int(run(["vercmp", a, b]).stdout)
