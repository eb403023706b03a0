# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with pacman. Its repositories have one version of each package, and every package there is built
against the others: it upgrades all or nothing, and a plan that is a part of what is pending is refused."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from .. import atomic
from ..errors import UpkeepError
from . import _alpm_freshness, _alpm_removals, pool
from ._alpm_collect import _lock
from ._alpm_config import Config, load
from ._alpm_database import Desc, Local, parse_desc, read_local, read_sync, value
from ._alpm_pending import make_plan
from ._files import text_or_none
from ._leftovers import leftovers
from ._refresh_note import without_secrets
from ._run import run
from .transaction import Action, Kept, Simulation, Step, Wanted

FETCH_TIMEOUT = 3600
_ANY = tuple(range(256))
_LEFT = (".pacnew", ".pacsave", ".pacorig")
_COMPRESSED = (".zst", ".xz", ".gz", ".bz2", ".lz4", "")
_MARKS = "marks.json"
# libalpm's question whether a package in conflict with a new one may go; --ask answers it the other way round (yes).
_REMOVE_CONFLICTS = ("--ask", "4")
_GONE = re.compile(r"error: .*(?:404|410|[Nn]ot [Ff]ound|No such file|Couldn't open file|Could not open file)")


class Offer(NamedTuple):
    """What a transaction would install, from which repository."""

    name: str
    arch: str
    version: str
    repository: str
    desc: Desc


class Pacman:
    """`transaction.Transactions` on pacman."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self._config: Config = load(root)
        # The lists that the patch level was read from: the host's own, or the copy that was refreshed last.
        self._lists, _when = _alpm_freshness.newest(self._config.dbpath)

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        """Raises UpkeepError `command_failed`, `package_database_damaged`, `package_lists_damaged`."""
        local = read_local(self._config.dbpath)
        new = [each for each in wanted if _version(local, each.name) != each.version]
        if not new:
            return Simulation([], [], 0, 0)
        plan = make_plan(self._config, self._lists)
        if plan.refusals or not plan.complete:
            words = "; ".join(plan.said) or "it does not say why"
            return Simulation([], [(each, f"pacman refuses the whole upgrade: {words}.") for each in new])
        offers = self._offers(plan.install)
        refused = _whole(new, offers, local)
        coming = {each.name: each.desc for each in offers}
        origins = {each.name: each.repository for each in offers}
        gone = _alpm_removals.collect(coming, origins, self._config.options.get("HoldPkg", []), local)
        if gone and not removals and not refused:
            names = ", ".join(f"{each.name} {each.version}" for each in gone)
            refused = f"The upgrade needs the removal of {names}, and removals are not allowed (patch_removals)."
        if refused:
            return Simulation([], [(each, refused) for each in new])
        reasons = {each.name: each.why for each in wanted}
        actions = [_action(each, local, reasons.get(each.name, "What is wanted needs it.")) for each in offers]
        actions += [Action("remove", each.name, each.arch, each.version, None, each.because) for each in gone]
        freed = sum(_number(local.packages.get(each.name, {}), "SIZE") for each in actions)
        return Simulation(
            sorted(actions, key=lambda action: (action.name, action.arch)),
            [],
            sum(_number(each.desc, "CSIZE") for each in offers),
            sum(_number(each.desc, "ISIZE") for each in offers) - freed,
        )

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        return [
            Action(*each.identity, each.why, not each.before or self._on_disk(each) is not None) for each in actions
        ]

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        """Raises UpkeepError `plan_moved`, `fetch_failed`."""
        # What is of use later: the files of what is installed, and of what is to be.
        stems = tuple(_stem(name, arch, version) for (name, arch), version in self.installed().items())
        pool.tidy(lambda name: name.startswith(stems))
        coming = [(each.name, each.arch, each.after) for each in actions if each.after]
        missing = [each for each in coming if not _file(folder, *each)]
        if missing:
            offers = {
                name: version for name, (_repository, version) in self._listed([each[0] for each in missing]).items()
            }
            moved = [f"{name} {version}" for name, _arch, version in missing if offers.get(name) != version]
            if moved:
                raise _moved(moved)
            # A lock of its own in the copy of the lists; the host's own database is not needed to fetch.
            argv = [*self._config.arguments(self._lists), "-Sw", "--cachedir", folder, "--logfile", os.devnull]
            if _alpm_freshness.major() >= 7:  # it would fetch as a user who cannot enter our folder
                argv.append("--disable-sandbox")
            result = run([*argv, *(name for name, _arch, _version in missing)], timeout=FETCH_TIMEOUT, allow=_ANY)
            missing = [each for each in missing if not _file(folder, *each)]
            if missing or result.rc:
                said = _errors(result.stderr)
                names = [f"{name} {version}" for name, _arch, version in missing]
                if _GONE.search(result.stderr):
                    raise _moved(names or ["a package of the plan"])
                raise UpkeepError("fetch_failed", f"pacman could not fetch {', '.join(names) or 'the plan'}: {said}.")
        paths = [path for path in (_file(folder, *each) for each in coming) if path]
        for path in paths:
            pool.add(path)
        return sum(os.path.getsize(path) for path in paths)

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        local = read_local(self._config.dbpath)
        kept = []
        for each in (action for action in actions if action.before):
            path = _file(folder, each.name, each.arch, each.before)
            source = None if path else self._on_disk(each)
            if source:
                path = os.path.join(folder, os.path.basename(source))
                pool.place(source, path)
            why = (
                None
                if path
                else f"pacman's cache has no {each.name} {each.before}, and its repositories keep no old versions."
            )
            size = os.path.getsize(path) if path else 0
            kept.append(Kept(each.name, each.arch, each.before or "", path, size, why))
        automatic = sorted(each.name for each in kept if _is_automatic(local, each.name))
        atomic.write_json(os.path.join(folder, _MARKS), {"automatic": automatic})
        return kept

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        local = read_local(self._config.dbpath)
        coming = [each for each in actions if each.after and _version(local, each.name) != each.after]
        going = [each.name for each in actions if each.action == "remove" and each.name in local.packages]
        paths = _paths(folder, [(each.name, each.arch, each.after or "") for each in coming])
        # An upgrade that was killed has taken the old entry away already: its files belong to nobody now.
        torn = any(each.before and each.name not in local.packages for each in coming)
        steps = self._install(paths, going, torn)
        new = [each.name for each in actions if each.action == "install"]
        # What comes in place of something that was asked for, is asked for.
        return steps + (self._marks(new) if all(_is_automatic(local, name) for name in going) else [])

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        local = read_local(self._config.dbpath)
        coming = [each for each in actions if each.before and _version(local, each.name) != each.before]
        going = [each.name for each in actions if each.action == "install" and each.name in local.packages]
        paths = _paths(folder, [(each.name, each.arch, each.before or "") for each in coming])
        torn = any(each.after and each.name not in local.packages for each in coming)
        steps = self.repair()
        if any(each.action == "remove" for each in coming):
            # What took the place of another goes first: which of them it was, no plan says.
            steps += self._remove(going, "-Rdd")
            going = []
        steps += self._install(paths, [], torn) + self._remove(going, "-R")
        try:
            marks = json.loads(text_or_none(os.path.join(folder, _MARKS)) or "{}")
        except ValueError:
            marks = {}
        return steps + self._marks(marks.get("automatic", []))

    def repair(self) -> List[Step]:
        lock = os.path.join(self._config.dbpath, "db.lck")
        _holder, leftover, _unseen = _lock(lock)
        steps = [Step("remove the lock of a pacman that was killed", ("rm", "-f", "--", lock))] if leftover else []
        broken = [os.path.join(self._config.dbpath, "local", name) for name in read_local(self._config.dbpath).broken]
        if broken:
            # Entries that name no package: pacman installs nothing as long as it stumbles over them.
            steps.append(Step("remove half-written entries", ("rm", "-rf", "--", *broken)))
        return steps

    def installed(self) -> Dict[Tuple[str, str], str]:
        packages = read_local(self._config.dbpath).packages
        return {(name, value(desc, "ARCH")): value(desc, "VERSION") for name, desc in packages.items()}

    def unfinished(self) -> List[str]:
        local = read_local(self._config.dbpath)
        found = [
            f"{name} has a half-written entry in pacman's database: an upgrade was cut short." for name in local.broken
        ]
        _holder, leftover, _unseen = _lock(os.path.join(self._config.dbpath, "db.lck"))
        return found + ([f"{self._config.dbpath}/db.lck was left by a pacman that was killed."] if leftover else [])

    def leftovers(self) -> List[str]:
        backups = set()
        for path in glob.glob(os.path.join(glob.escape(self._config.dbpath), "local", "*", "files")):
            backups |= {line.split("\t")[0] for line in parse_desc(text_or_none(path) or "").get("BACKUP", [])}
        paths = [os.path.join(self.root, each) for each in backups]
        found = [path + suffix for path in paths for suffix in _LEFT if os.path.exists(path + suffix)]
        return sorted({*leftovers(os.path.join(self.root, "etc"), _LEFT), *found})

    def locked_by(self) -> Optional[str]:
        return _lock(os.path.join(self._config.dbpath, "db.lck"))[0]

    def _listed(self, names: Sequence[str]) -> Dict[str, Tuple[str, str]]:
        """(repository, version) of packages in the lists; the first repository that has one counts."""
        found: Dict[str, Tuple[str, str]] = {}
        for repository in self._config.repositories:
            path = os.path.join(self._lists, "sync", f"{repository}.db")
            for name, desc in (read_sync(path, set(names)) if os.path.exists(path) else {}).items():
                found.setdefault(name, (repository, value(desc, "VERSION")))
        return found

    def _offers(self, install: Dict[str, Tuple[str, str]]) -> List[Offer]:
        found = []
        for repository in self._config.repositories:
            names = {name for name, (origin, _version) in install.items() if origin == repository}
            path = os.path.join(self._lists, "sync", f"{repository}.db")
            for name, desc in (read_sync(path, names) if names else {}).items():
                found.append(Offer(name, value(desc, "ARCH"), value(desc, "VERSION"), repository, desc))
        return sorted(found)

    def _on_disk(self, action: Action) -> Optional[str]:
        """The file of the version before, from an earlier run or pacman's cache."""
        stem = _stem(action.name, action.arch, action.before or "")
        caches = self._config.options.get("CacheDir", [])
        return next((path for end in _COMPRESSED for path in pool.find(f"{stem}{end}", caches)), None)

    def _argv(self, *arguments: str) -> Tuple[str, ...]:
        return (*self._config.arguments(self._config.dbpath), *arguments)

    def _install(self, paths: Sequence[str], going: Sequence[str], torn: bool) -> List[Step]:
        steps = []
        if paths:
            options = [*(_REMOVE_CONFLICTS if going else ()), *(("--overwrite", "*") if torn else ())]
            steps.append(Step("install", self._argv("-U", *options, *paths)))
        elif going:
            steps += self._remove(going, "-R")
        return steps

    def _remove(self, names: Sequence[str], how: str) -> List[Step]:
        return [Step("remove", self._argv(how, *sorted(names)))] if names else []

    def _marks(self, names: Sequence[str]) -> List[Step]:
        # One that did not come cannot be marked: that it did not, the step says that should have brought it.
        argv = self._argv("-D", "--asdeps", *sorted(names))
        return [Step("mark as automatic", argv, allow=(0, 1), always=True)] if names else []


def _whole(wanted: Sequence[Wanted], offers: Sequence[Offer], local: Local) -> Optional[str]:
    """Why the upgrade that pacman would make is not the one that is wanted."""
    versions = {each.name: each.version for each in wanted}
    other = [each for each in offers if each.name in local.packages and versions.get(each.name) != each.version]
    if other:
        names = ", ".join(f"{each.name} {each.version}" for each in other)
        return f"pacman upgrades all or nothing, and {names} would come too: approve everything (patch_mode: all)."
    there = {each.name: each.version for each in offers}
    missing = [each for each in wanted if there.get(each.name) != each.version]
    if missing:
        names = ", ".join(f"{each.name} {each.version}" for each in missing)
        return f"pacman upgrades all or nothing, and its upgrade does not bring {names}."
    return None


def _action(offer: Offer, local: Local, why: str) -> Action:
    before = _version(local, offer.name)
    return Action("install" if before is None else "upgrade", offer.name, offer.arch, before, offer.version, why)


def _version(local: Local, name: str) -> Optional[str]:
    return value(local.packages[name], "VERSION") if name in local.packages else None


def _is_automatic(local: Local, name: str) -> bool:
    return value(local.packages.get(name, {}), "REASON", "0") == "1"


def _number(desc: Desc, field: str) -> int:
    text = value(desc, field)
    return int(text) if text.isdecimal() else 0


def _stem(name: str, arch: str, version: str) -> str:
    return f"{name}-{version}-{arch}.pkg.tar"


def _file(folder: str, name: str, arch: str, version: Optional[str]) -> Optional[str]:
    paths = (os.path.join(folder, _stem(name, arch, version or "") + end) for end in _COMPRESSED)
    return next((path for path in paths if os.path.exists(path)), None)


def _paths(folder: str, packages: Sequence[Tuple[str, str, str]]) -> List[str]:
    """Their files in `folder`. Raises UpkeepError `files_missing`."""
    found = {each: _file(folder, *each) for each in packages}
    missing = [f"{name} {version}" for (name, _arch, version), path in found.items() if path is None]
    if missing:
        raise UpkeepError(
            "files_missing", f"No file of {', '.join(missing)} is in {folder}: nothing was changed.", packages=missing
        )
    return [path for path in found.values() if path]


def _moved(names: Sequence[str]) -> UpkeepError:
    return UpkeepError(
        "plan_moved",
        f"The repositories no longer have {', '.join(names)}: nothing was changed; plan this host anew.",
        packages=list(names),
    )


def _errors(text: str) -> str:
    said = [line[7:] for line in text.splitlines() if line.startswith("error: ")]
    return without_secrets("; ".join(said)) or "it does not say why"
