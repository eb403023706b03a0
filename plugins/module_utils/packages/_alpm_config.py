# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How pacman is set up here, as `pacman-conf` resolves it, and the repositories that this gives (pacman.conf(5))."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple

from .. import times
from ._files import text_or_none
from ._run import run
from .model import Repository

_INCLUDE = re.compile(r"^\s*Include\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_DBPATH = re.compile(r"^\s*DBPath\s*=\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Config:
    """`options` and each repository's settings by name, a list of values each; `root` and `conf` choose the system."""

    root: str
    conf: str
    options: Dict[str, List[str]]
    repositories: Dict[str, Dict[str, List[str]]] = field(default_factory=dict)

    @property
    def dbpath(self) -> str:
        """Where the host's own databases are."""
        return self.options["DBPath"][0].rstrip("/")

    def arguments(self, dbpath: str) -> List[str]:
        """pacman, for this system, with the databases in `dbpath`."""
        return ["pacman", "--config", self.conf, "--root", self.root, "--dbpath", dbpath, "--noconfirm"]

    def ignored(self, name: str, groups: List[str]) -> Optional[Tuple[str, str]]:
        """(`held` or `excluded`, why) where pacman is told not to upgrade a package, else None.

        A package that IgnorePkg names in full is held; a pattern or a group leaves it out with others.
        """
        for pattern in self.options.get("IgnorePkg", []):
            if pattern == name:
                return "held", f"IgnorePkg in {self.conf} names it: take it out there, and `pacman -Syu` upgrades it."
            if fnmatch.fnmatchcase(name, pattern):
                return "excluded", f"IgnorePkg in {self.conf} has the pattern {pattern}, which it matches."
        for pattern in self.options.get("IgnoreGroup", []):
            group = next((group for group in sorted(groups) if fnmatch.fnmatchcase(group, pattern)), None)
            if group:
                return "excluded", f"IgnoreGroup in {self.conf} leaves out the group {group}, which it belongs to."
        return None

    def for_upgrades(self, repository: str) -> bool:
        """Whether `Usage` lets pacman upgrade from a repository."""
        usage = self.repositories.get(repository, {}).get("Usage", ["All"])
        return bool({"All", "Upgrade"} & set(usage))


def load(root: str) -> Config:
    """The settings of the system at `root`. Raises UpkeepError `command_failed`."""
    conf = conf_path(root)
    return parse(run(["pacman-conf", "--config", conf, "--rootdir", root]).stdout, root, conf)


def parse(text: str, root: str, conf: str) -> Config:
    """`load` for what pacman-conf prints: `[section]` and `Name = value` lines, one a value."""
    options: Dict[str, List[str]] = {}
    repositories: Dict[str, Dict[str, List[str]]] = {}
    section = options
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = options if line == "[options]" else repositories.setdefault(line[1:-1], {})
            continue
        name, _equals, setting = line.partition(" = ")
        section.setdefault(name, []).append(setting)
    options.setdefault("DBPath", [quick_dbpath(root)])
    return Config(root, conf, options, repositories)


def conf_path(root: str) -> str:
    return os.path.join(root, "etc/pacman.conf")


def included(path: str) -> List[str]:
    """What a configuration file includes, and so on; of a pattern also its folder, where more may come."""
    found: List[str] = []
    waiting = [path]
    while waiting:
        for pattern in _INCLUDE.findall(text_or_none(waiting.pop()) or ""):
            paths = [os.path.dirname(pattern), *sorted(glob.glob(pattern))] if glob.has_magic(pattern) else [pattern]
            waiting += [each for each in paths if each not in found]
            found += [each for each in paths if each not in found]
    return found


def quick_dbpath(root: str) -> str:
    """Where the databases are, without asking pacman."""
    found = _DBPATH.search(text_or_none(conf_path(root)) or "")
    return found.group(1).rstrip("/") if found else os.path.join(root, "var/lib/pacman")


def repositories(config: Config, dbpath: str) -> List[Repository]:
    """The document's repositories. `signed`: whether pacman refuses what of it is not signed; `date`: the database's,
    as the server has it."""
    found = []
    for name, settings in config.repositories.items():
        levels = settings.get("SigLevel") or config.options.get("SigLevel") or []
        required = {"PackageRequired", "DatabaseRequired", "Required"} & set(levels)
        date = mtime(os.path.join(dbpath, "sync", f"{name}.db"))
        found.append(
            Repository(
                id=name,
                enabled=True,
                signed=bool(required) if levels else None,
                fetched=date is not None,
                date=None if date is None else times.from_timestamp(date),
            )
        )
    return found


def mtime(path: str) -> Optional[float]:
    """When a file was last changed, None where it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None
