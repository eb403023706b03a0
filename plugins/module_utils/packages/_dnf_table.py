# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table in which dnf 4 and dnf5 say what a transaction would do, and their words where they refuse one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from ._dnf_common import parse_problems
from ._refresh_note import without_secrets
from ._rpmversion import without_zero

# The headings by what they mean for the packages below them; under any other there is nothing that would be done.
_HEADINGS = {
    "Upgrading:": "upgrade",
    "Installing:": "install",
    "Installing dependencies:": "install",
    "Installing weak dependencies:": "install",
    "Downgrading:": "downgrade",
    "Removing:": "remove",
    "Removing dependent packages:": "remove",
    "Removing unused dependencies:": "remove",
}
_SAYS = re.compile(r"^(?:Error: \S|Argument |No match for argument|Unable to find|Package .* (?:excluded|protected))")
# What dnf adds for whoever sits in front of it.
_ADVICE = re.compile(r"^(?:\(?try to add|You can try|Operation aborted)", re.IGNORECASE)
# dnf 4: `[MIRROR] x.rpm: Status code: 404 for …`; dnf5: `>>> Status code: 404 for …`.
_DOWNLOAD = re.compile(r"Curl error|Status code: |^Error opening |is not signed|GPG|checksum|All mirrors were tried")
_LONGEST = 600


@dataclass
class Table:
    """(action, name, architecture, version) of what comes, (name, architecture, version) of what goes."""

    comes: List[Tuple[str, str, str, str]] = field(default_factory=list)
    goes: List[Tuple[str, str, str]] = field(default_factory=list)


def parse(text: str) -> Table:
    """Below a heading, ` name arch version repository size` a package, which dnf 4 goes on with on a further indented
    line where it is long; and below it `replacing name.arch version` (dnf5: `replacing name arch version …`)."""
    table = Table()
    kind: Optional[str] = None
    words: List[str] = []
    new = ""
    for line in text.splitlines():
        if line[:1].strip():
            kind, words = _HEADINGS.get(line.strip()), []
            continue
        if kind is None or not line.strip():
            continue
        parts = line.split()
        if parts[0] == "replacing":
            name, arch, evr = _replaced(parts[1:])
            if name and name != new:  # dnf5 also says of an upgrade what it replaces
                table.goes.append((name, arch, without_zero(evr)))
            continue
        words = parts if line[1:2].strip() else words + parts
        if len(words) < 3 or (len(words) > 6 and not line[1:2].strip()):
            continue
        name, arch, evr = words[:3]
        new, words = name, []
        if kind == "remove":
            table.goes.append((name, arch, without_zero(evr)))
        else:
            table.comes.append((kind, name, arch, without_zero(evr)))
    return table


def refusal(stderr: str, stdout: str) -> str:
    """Why dnf refuses, in one line: the solver's problems, else what it says of the arguments."""
    groups = parse_problems(f"{stderr}\n{stdout}")
    words = [f"{first} ({'; '.join(rest)})" if rest else first for first, *rest in groups]
    lines = [line.strip() for line in (stderr.splitlines() or stdout.splitlines()) if line.strip()]
    lines = [line for line in lines if not _ADVICE.match(line)]
    return _joined(words or list(filter(_SAYS.match, [*lines, *stdout.splitlines()])) or lines[-1:])


def failure(stderr: str, stdout: str) -> str:
    """Why dnf could not download, in one line."""
    lines = [line.strip().lstrip("> ") for line in f"{stderr}\n{stdout}".splitlines()]
    return (
        _joined(list(filter(_DOWNLOAD.search, lines))[:3])
        if any(map(_DOWNLOAD.search, lines))
        else refusal(stderr, stdout)
    )


def _joined(words: List[str]) -> str:
    text = without_secrets("; ".join(dict.fromkeys(words))) or "dnf does not say why"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"


def _replaced(words: List[str]) -> Tuple[str, str, str]:
    if len(words) == 2:  # dnf 4
        name, _dot, arch = words[0].rpartition(".")
        return name, arch, words[1]
    return (words[0], words[1], words[2]) if len(words) > 2 else ("", "", "")
