# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with apk. What is wanted becomes the needs of a virtual package that comes and goes again: the
world, which is apk's list of what the operator asked for, stays as it is, and with it what is automatic."""

from __future__ import annotations

import glob
import os
import shutil
from typing import Dict, List, Optional, Sequence, Tuple

from ..errors import UpkeepError
from . import _apk_repositories, pool
from ._apk_database import DATABASE, Package, read_installed
from ._apk_pending import parse_plan, parse_policy, solver_words
from ._leftovers import leftovers
from ._locks import locked_by
from ._refresh_note import without_secrets
from ._run import Finished, run
from ._settle import Answer, settle
from .transaction import Action, Kept, Simulation, Step, Wanted

TIMEOUT = 300
FETCH_TIMEOUT = 3600
VIRTUAL = ".upkeep-patch"
_ANY = tuple(range(256))


class Apk:
    """`transaction.Transactions` on apk."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self._argv = ["apk", "--no-interactive", *([] if root == "/" else ["--root", root])]

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        """Raises UpkeepError `command_failed`, `package_database_damaged`."""
        packages = read_installed(self.root)

        def ask(group: Sequence[Wanted]) -> Answer:
            needs = [f"{each.name}={each.version}" for each in group]
            result = self._run("--no-network", "add", "--simulate", "--virtual", VIRTUAL, *needs)
            if result.rc:
                return Answer(refused=_without_virtual(solver_words(result.stderr or result.stdout)))
            return Answer(_actions(result.stdout, group, packages))

        new = [each for each in wanted if _version(packages, each.name) != each.version]
        return settle(new, removals, ask)

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        before = [action for action in actions if action.before]
        offers = self._offers([action.name for action in before])
        lost = {each.name for each in before if not self._to_be_had(each.name, each.before or "", offers)}
        return [Action(*action.identity, action.why, action.name not in lost) for action in actions]

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        """Raises UpkeepError `plan_moved`, `fetch_failed`."""
        # What is of use later: the files of what is installed, and of what is to be.
        installed = {os.path.basename(_path("", name, version)) for (name, _arch), version in self.installed().items()}
        pool.tidy(installed.__contains__)
        coming = [(action.name, action.after) for action in actions if action.after]
        missing = [(name, version) for name, version in coming if not self._whole(_path(folder, name, version))]
        offers = self._offers([name for name, _version in missing])
        for name, version in missing:
            if not self._to_be_had(name, version, offers):
                raise UpkeepError(
                    "plan_moved",
                    f"The repositories no longer have {name} {version}: nothing was changed; plan this host anew.",
                    packages=[f"{name}-{version}"],
                )
            said = self._fetch(name, version, folder, offers)
            if said:
                moved = "404" in said or "No such file" in said
                raise UpkeepError(
                    "plan_moved" if moved else "fetch_failed",
                    f"apk could not fetch {name} {version}: {said}. Nothing was changed"
                    + ("; plan this host anew." if moved else "."),
                    packages=[f"{name}-{version}"],
                )
        paths = [_path(folder, name, version) for name, version in coming]
        for path in paths:
            pool.add(path)
        return sum(map(os.path.getsize, paths))

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        going = [(action.name, action.arch, action.before) for action in actions if action.before]
        offers = self._offers([name for name, _arch, _version in going])
        kept = []
        for name, arch, version in going:
            path, said = _path(folder, name, version), ""
            if not self._whole(path):
                source = self._on_disk(name, version)
                if source:
                    pool.place(source, path)
                elif self._to_be_had(name, version, offers):
                    said = self._fetch(name, version, folder, offers)
                else:
                    said = f"no repository and no file on this host has {name} {version} any more"
            size = 0 if said else os.path.getsize(path)
            kept.append(Kept(name, arch, version, None if said else path, size, f"{said}." if said else None))
        return kept

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        packages = read_installed(self.root)
        coming = [(each.name, each.after) for each in actions if each.after]
        going = [each.name for each in actions if each.action == "remove" and each.name in packages]
        if not going and all(_version(packages, name) == version for name, version in coming):
            return self._without_leftover(packages)
        return self._change(coming, folder)

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        packages = read_installed(self.root)
        coming = [(each.name, each.before) for each in actions if each.before]
        going = [each.name for each in actions if each.action == "install" and each.name in packages]
        if not going and all(_version(packages, name) == version for name, version in coming):
            return self._without_leftover(packages)
        # What only the newer versions needed goes by itself; what would stay for its own sake is named.
        return self._change(coming, folder, unwanted=going)

    def repair(self) -> List[Step]:
        packages = read_installed(self.root)
        broken = sorted(name for name, package in packages.items() if package.broken)
        argv = (*self._argv, "--no-network", "fix")
        return [Step("finish what was cut short", (*argv, *broken))] if self.unfinished() else []

    def installed(self) -> Dict[Tuple[str, str], str]:
        packages = read_installed(self.root).values()
        return {(each.name, each.arch): each.version for each in packages if each.name != VIRTUAL}

    def unfinished(self) -> List[str]:
        database = os.path.join(self.root, DATABASE)
        packages = read_installed(self.root)
        found = [
            f"{name} {each.version} was not installed completely." for name, each in packages.items() if each.broken
        ]
        if os.path.exists(os.path.join(database, "installed.new")) and self.locked_by() is None:
            found.append(f"{database}/installed.new was left by an apk that was killed.")
        return sorted(found)

    def leftovers(self) -> List[str]:
        return leftovers(os.path.join(self.root, "etc"), (".apk-new",))

    def locked_by(self) -> Optional[str]:
        return locked_by([os.path.join(self.root, DATABASE, "lock")])[0]

    def _change(self, coming: Sequence[Tuple[str, str]], folder: str, unwanted: Sequence[str] = ()) -> List[Step]:
        paths = [_path(folder, name, version) for name, version in coming]
        missing = [os.path.basename(path) for path in paths if not os.path.exists(path)]
        if missing:
            raise UpkeepError(
                "files_missing",
                f"No file of {', '.join(missing)} is in {folder}: nothing was changed.",
                packages=missing,
            )
        argv = (*self._argv, "--no-network")
        nots = [f"!{name}" for name in unwanted]
        return [
            Step("install", (*argv, "add", "--virtual", VIRTUAL, *paths, *nots)),
            Step("restore the world", (*argv, "del", VIRTUAL), always=True),
        ]

    def _without_leftover(self, packages: Dict[str, Package]) -> List[Step]:
        argv = (*self._argv, "--no-network", "del", VIRTUAL)
        return [Step("restore the world", argv, always=True)] if VIRTUAL in packages else []

    def _offers(self, names: Sequence[str]) -> Dict[Tuple[str, str], List[str]]:
        """The repositories by name and version."""
        return parse_policy(self._run("--no-network", "policy", *sorted(set(names))).stdout) if names else {}

    def _on_disk(self, name: str, version: str) -> Optional[str]:
        """Its file from an earlier run or apk's own cache, whose names have a hash at their end."""
        cache = glob.escape(_apk_repositories.cache_folder(self.root))
        paths = pool.find(f"{name}-{version}.apk")
        paths += glob.glob(os.path.join(cache, f"{glob.escape(name)}-{version}.????????.apk"))
        return next((path for path in paths if self._whole(path)), None)

    def _to_be_had(self, name: str, version: str, offers: Dict[Tuple[str, str], List[str]]) -> bool:
        """apk fetches the version that it would choose, and no other."""
        return _newest(offers, name) == version or bool(self._local(name, version) or self._on_disk(name, version))

    def _whole(self, path: str) -> bool:
        """Whether it is there, not damaged, and signed by a key that this system trusts."""
        return os.path.exists(path) and self._run("--no-network", "verify", path).rc == 0

    def _fetch(self, name: str, version: str, folder: str, offers: Dict[Tuple[str, str], List[str]]) -> str:
        """Fetch one version into `folder`; why not, where it cannot be had."""
        path, local, said = _path(folder, name, version), self._local(name, version), ""
        if local:
            shutil.copy2(local, path)
        elif _newest(offers, name) == version:
            result = self._run("fetch", "--output", folder, name, timeout=FETCH_TIMEOUT)
            said = solver_words(result.stderr or result.stdout) if result.rc else ""
        if os.path.exists(path) and not self._whole(path):
            os.unlink(path)
            return f"{os.path.basename(path)} is damaged, or signed by no key of /etc/apk/keys"
        return "" if os.path.exists(path) else without_secrets(said or "it does not say why")

    def _local(self, name: str, version: str) -> Optional[str]:
        """Its file in a repository that is a folder of this machine."""
        sources = (_apk_repositories.index_file(self.root, each) for each in _apk_repositories.sources(self.root))
        paths = (os.path.join(os.path.dirname(index), f"{name}-{version}.apk") for index in sources if index)
        return next((path for path in paths if os.path.exists(path)), None)

    def _run(self, *arguments: str, timeout: int = TIMEOUT) -> Finished:
        return run([*self._argv, *arguments], timeout=timeout, allow=_ANY)


def _actions(text: str, group: Sequence[Wanted], packages: Dict[str, Package]) -> List[Action]:
    plan = parse_plan(text)
    archs = {each.name: each.arch for each in group}
    usual = next(iter(packages.values())).arch if packages else ""
    found = []
    for name, (before, after) in plan.install.items():
        if name == VIRTUAL:
            continue
        arch = archs.get(name) or (packages[name].arch if name in packages else usual)
        kind = "install" if before is None else "downgrade" if name in plan.downgrade else "upgrade"
        found.append(Action(kind, name, arch, before, after))
    gone = ((name, version) for name, version in plan.remove.items() if name != VIRTUAL)
    return found + [Action("remove", name, packages[name].arch, version, None) for name, version in gone]


def _version(packages: Dict[str, Package], name: str) -> Optional[str]:
    return packages[name].version if name in packages else None


def _newest(offers: Dict[Tuple[str, str], List[str]], name: str) -> Optional[str]:
    """`apk policy` lists versions from the oldest to the newest."""
    versions = [version for each, version in offers if each == name]
    return versions[-1] if versions else None


def _path(folder: str, name: str, version: Optional[str]) -> str:
    return os.path.join(folder, f"{name}-{version}.apk")


def _without_virtual(words: str) -> str:
    """The solver's words, as far as they speak of packages that the operator knows."""
    return " ".join(words.replace(f"{VIRTUAL}-", "the plan-").split())
