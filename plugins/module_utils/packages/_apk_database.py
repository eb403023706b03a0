# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apk has installed, and what the operator wants of it: `lib/apk/db/installed` and `etc/apk/world`.

Formats: apk-v2(5) (a line a field, a blank line after a package, whose files follow its fields), apk-world(5).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from ..errors import UpkeepError
from ._files import line_or_none, read_text, text_or_none
from .model import Installed, KernelPackage

DATABASE = "lib/apk/db"
# `name`, `name@tag`, `name=1.0`, `name~1`, `name<2@tag`, `!name`, `name><hash`
_CONSTRAINT = re.compile(r"^(!?)([^@<>=~\s]+)(?:@([^<>=~\s]+))?(?:([<>=~]+)([^@\s]+))?(?:@(\S+))?$")


@dataclass(frozen=True)
class Package:
    """An installed package: `depends` as apk writes them; `broken` where apk could not finish it."""

    name: str
    version: str
    arch: str
    origin: str
    depends: List[str] = field(default_factory=list)
    broken: bool = False


@dataclass(frozen=True)
class Constraint:
    """A line of the world, or a dependency: `relation` is empty for any version."""

    text: str
    name: str
    relation: str = ""
    version: str = ""
    tag: str = ""
    unwanted: bool = False

    @property
    def caps(self) -> bool:
        """Whether it can keep a newer version out."""
        return bool(self.relation) and self.relation not in (">", ">=", ">~")


def read_installed(root: str) -> Dict[str, Package]:
    """The installed packages by name. Raises UpkeepError `package_database_damaged`."""
    path = os.path.join(root, DATABASE, "installed")
    try:
        return parse_installed(read_text(path), path)
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror}")


def parse_installed(text: str, path: str = "lib/apk/db/installed") -> Dict[str, Package]:
    """`read_installed` for a text."""
    found = {}
    for number, block in enumerate(text.split("\n\n"), 1):
        if not block.strip():
            continue
        fields: Dict[str, str] = {}
        for line in block.strip("\n").split("\n"):
            if line[1:2] != ":":
                raise _damaged(path, f"makes no sense in its paragraph {number}: {line[:60]!r}")
            # The first file ends what is said of the package; the lines below it reuse the letters.
            if line[0] == "F":
                break
            fields.setdefault(line[0], line[2:])
        broken = any(line[:2] == "f:" and set(line[2:]) & set("fsx") for line in block.split("\n"))
        name, version = fields.get("P", ""), fields.get("V", "")
        if not name or not version:
            raise _damaged(path, f"names no package or no version in its paragraph {number}")
        origin, depends = fields.get("o", name), fields.get("D", "").split()
        found[name] = Package(name, version, fields.get("A", ""), origin, depends, broken)
    return found


def read_world(root: str) -> Dict[str, Constraint]:
    """The world by name; one that is not there wants nothing."""
    text = text_or_none(os.path.join(root, "etc/apk/world")) or ""
    constraints = (parse_constraint(word) for word in text.split())
    return {each.name: each for each in constraints if each is not None}


def parse_constraint(text: str) -> Optional[Constraint]:
    """A dependency in apk's notation, None where it is none."""
    match = _CONSTRAINT.match(text)
    if not match:
        return None
    unwanted, name, tag, relation, version, late_tag = match.groups()
    return Constraint(text, name, relation or "", version or "", tag or late_tag or "", bool(unwanted))


def installed_list(packages: Dict[str, Package], world: Dict[str, Constraint]) -> List[Installed]:
    """The document's `installed`. What the world does not name is there for another's sake."""
    return [
        Installed(
            name=package.name,
            arch=package.arch,
            version=package.version,
            source_name=package.origin,
            source_version=package.version,
            held=False,
            auto=name not in world,
            state="broken" if package.broken else "installed",
        )
        for name, package in sorted(packages.items())
    ]


def kernels(root: str, packages: Dict[str, Package]) -> List[KernelPackage]:
    """The installed kernels: `linux-<flavour>`, whose release stands in `usr/share/kernel/<flavour>/kernel.release`."""
    folder = os.path.join(root, "usr/share/kernel")
    try:
        flavours = sorted(os.listdir(folder))
    except OSError:
        return []
    found = []
    for flavour in flavours:
        release = line_or_none(os.path.join(folder, flavour, "kernel.release"))
        package = packages.get(f"linux-{flavour}")
        if release and package:
            found.append(KernelPackage(release, package.version, package.origin))
    return found


def _damaged(path: str, what: str) -> UpkeepError:
    return UpkeepError(
        "package_database_damaged", f"apk's database {path} {what}; `apk fix` or a backup restores it.", path=path
    )
