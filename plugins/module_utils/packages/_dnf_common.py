# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What both ways of asking dnf5 read for themselves: its caches, its version locks, the solver's sentences."""

from __future__ import annotations

import os
import re
from typing import Collection, Dict, List, Optional, Sequence, Tuple

from ..errors import UpkeepError
from ._files import text_or_none
from ._rpm import RpmPackage
from ._rpm_view import Available, Lock, RpmRepo
from ._rpmversion import evr_key, without_zero
from ._run import run

_PAIR = re.compile(r'^\s*(\w+)\s*=\s*"((?:[^"\\]|\\.)*)"')
_TESTS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def failed(said: str) -> UpkeepError:
    """dnf gave up, and this is what it says."""
    said = " ".join(said.split()).rstrip(".")
    return UpkeepError(
        "dnf_failed", f"dnf cannot work with its configuration or metadata: {said}. Try `dnf check-update`."
    )


def needs(certificate: Optional[str], root: str) -> Optional[str]:
    """What a repository asks for that this host does not have: the certificate of a subscription."""
    if not certificate or os.path.exists(os.path.join(root, certificate.lstrip("/"))):
        return None
    return f"its client certificate {certificate} is not there; see `subscription-manager status`."


def version(command: str) -> str:
    """`5.2.16.0` of `dnf5 version 5.2.16.0`, the first line that it says of itself."""
    words = run([command, "--version"]).stdout.split("\n", 1)[0].split()
    return words[-1] if words else ""


def order(offer: Available) -> Tuple[str, str, tuple, str]:
    """A sort key for what is on offer."""
    return offer.name, offer.arch, evr_key(offer.evr), offer.repo


def hidden(thing: object, seen: Collection, regular: Collection) -> Optional[str]:
    """What filters it: `seen` passes every filter, `regular` those of modularity."""
    if thing in seen:
        return None
    return "excluded" if thing in regular else "modular"


def find_cache(repo: RpmRepo, folder: str) -> None:
    """Fill in what lies in a repository's own folder of the cache (`<id>-<hash of its address>`)."""
    repo.repomd = os.path.join(folder, "repodata", "repomd.xml")
    repo.fetched = os.path.isfile(repo.repomd)
    repo.expired = repo.fetched and os.path.exists(os.path.join(folder, "attrs", "expired"))
    if repo.fetched:
        names = sorted(os.listdir(os.path.dirname(repo.repomd)))
        found = [name for name in names if "updateinfo.xml" in name]
        repo.updateinfo = os.path.join(os.path.dirname(repo.repomd), found[0]) if found else None


def read_locks(root: str, packages: Sequence[RpmPackage]) -> List[Lock]:
    """The entries of dnf5's versionlock.toml, against what is installed."""
    return parse_locks(text_or_none(os.path.join(root, "etc/dnf/versionlock.toml")) or "", packages)


def parse_locks(text: str, packages: Sequence[RpmPackage]) -> List[Lock]:
    """`[[packages]]` with a name, each with `[[packages.conditions]]`: key, comparator, value (dnf5-versionlock(8)).

    Only what dnf5 itself writes: tables of strings, not all of TOML (which Python reads by itself since 3.11).
    """
    entries: List[Dict[str, list]] = []
    table: Dict[str, str] = {}
    for line in text.splitlines():
        head = line.strip().replace(" ", "")
        if head.startswith("[["):
            table = {}
            if head.startswith("[[packages]]"):
                entries.append({"name": [table], "conditions": []})
            elif entries:
                entries[-1]["conditions"].append(table)
            continue
        pair = _PAIR.match(line)
        if pair:
            table[pair.group(1)] = pair.group(2)
    found = []
    for entry in entries:
        name = entry["name"][0].get("name", "")
        conditions = [c for c in entry["conditions"] if c.get("comparator") in _TESTS and c.get("value")]
        if not name or not conditions:
            continue
        versions = [package.evr for package in packages if package.name == name]
        holds = any(all(_holds(evr, condition) for condition in conditions) for evr in versions)
        shown = " and ".join(f"{c.get('key', 'evr')} {c['comparator']} {c['value']}" for c in conditions)
        excludes = all(condition["comparator"] == "!=" for condition in conditions)
        found.append(Lock(f"{name} {shown}", (name,), holds, excludes))
    return found


def parse_problems(text: str) -> List[List[str]]:
    """The solver's groups of sentences: `Problem: …` or `Problem 1: …`, then lines that begin with `- `."""
    groups: List[List[str]] = []
    for line in text.splitlines():
        stripped = line.strip()
        match = re.match(r"Problem(?: \d+)?: (.*)$", stripped)
        if match:
            groups.append([match.group(1)])
        elif groups and line.startswith("  - "):
            groups[-1].append(stripped[2:])
    return groups


def _holds(evr: str, condition: Dict[str, str]) -> bool:
    value = without_zero(condition["value"])
    test = _TESTS[condition["comparator"]]
    if condition.get("key") == "version":  # any epoch, any release
        evr = evr.partition(":")[2] or evr
        return bool(test(evr_key(evr.partition("-")[0]), evr_key(value)))
    if "-" not in value:
        evr = evr.partition("-")[0]
    return bool(test(evr_key(evr), evr_key(value)))
