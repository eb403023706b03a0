# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dnf and zypper have in common when packages are changed: rpm's files, what is installed, the way back.

rpm cannot pack an installed package again: a version on its way out is kept where some disk or repository still has
it, and is named as lost before anything is changed where none has.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .. import atomic
from ..errors import UpkeepError
from . import _rpm, pool
from ._files import text_or_none
from ._leftovers import leftovers
from ._rpmversion import without_zero
from ._run import run
from .transaction import Action, Kept, Step

_HEADER = "%{NAME}\\t%{ARCH}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}"
_LEFT = (".rpmnew", ".rpmsave", ".rpmorig")
_MARKS = "marks.json"
_ANY = tuple(range(256))


class Nevra(NamedTuple):
    """A package in one version. As text the way dnf and rpm take it as an argument."""

    name: str
    arch: str
    evr: str

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file(self) -> str:
        """The usual name of its file, which has no epoch."""
        return f"{self.name}-{self.evr.partition(':')[2] or self.evr}.{self.arch}.rpm"


class RpmChange:
    """Half of `transaction.Transactions`; a manager says what its repositories offer and downloads from them."""

    tool = "rpm"
    # Where the manager itself keeps packages that it has fetched, below the root.
    caches: Tuple[str, ...] = ()
    # Whether what it has downloaded is verified even where it has failed at something.
    leaves_verified = False

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def offered(self, wanted: Sequence[Nevra]) -> Set[Nevra]:
        """Which of `wanted` the repositories have, by the lists that are there; no network."""
        raise NotImplementedError

    def download(self, wanted: Sequence[Nevra], folder: str, old: bool) -> str:
        """Fetch and verify what can be had of `wanted` (`old`: it is installed now); what was said where not all."""
        raise NotImplementedError

    def automatic(self) -> Set[str]:
        """The names of packages that are there for others' sake."""
        raise NotImplementedError

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        before = [_before(action) for action in actions if action.before]
        missing = [each for each in before if not self._on_disk(each)]
        lost = set(missing) - (self.offered(missing) if missing else set())
        return [
            Action(*action.identity, action.why, not (action.before and _before(action) in lost)) for action in actions
        ]

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        """Raises UpkeepError `plan_moved`, `fetch_failed`."""
        # What is of use later: the files of what is installed, and of what is to be.
        installed = {each.file for each in self.there()}
        pool.tidy(lambda name: name in installed)
        coming = [_after(action) for action in actions if action.after]
        there = files(folder)
        missing = [each for each in coming if each not in there]
        if missing:
            said = self._bring(missing, folder, old=False)
            there = files(folder)
            missing = [each for each in missing if each not in there]
        if missing:
            gone = sorted(map(str, set(missing) - self.offered(missing)))
            if gone or _is_gone(said):
                names = ", ".join(gone or map(str, missing))
                raise UpkeepError(
                    "plan_moved",
                    f"The repositories no longer have {names}: nothing was changed; plan this host anew.",
                    packages=gone or [str(each) for each in missing],
                )
            raise UpkeepError(
                "fetch_failed",
                f"{self.tool} could not fetch {', '.join(map(str, missing))}: {said or 'it does not say why'}.",
                packages=[str(each) for each in missing],
            )
        for each in coming:
            pool.add(there[each])
        return sum(os.path.getsize(there[each]) for each in coming)

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        going = [_before(action) for action in actions if action.before]
        there = files(folder)
        for each in going:
            source = None if each in there else self._on_disk(each)
            if source:
                there[each] = os.path.join(folder, each.file)
                pool.place(source, there[each])
        missing = [each for each in going if each not in there]
        available = self.offered(missing) if missing else set()
        said = self._bring(sorted(available), folder, old=True) if available else ""
        if available:
            there = files(folder)
        automatic = self.automatic()
        marks = {"automatic": sorted(name for name, _arch, _evr in going if name in automatic)}
        atomic.write_json(os.path.join(folder, _MARKS), marks)
        return [self._kept(each, there.get(each), said if each in available else "") for each in going]

    def installed(self) -> Dict[Tuple[str, str], str]:
        return {(package.name, package.arch): package.evr for package in _rpm.query(self.root)}

    def unfinished(self) -> List[str]:
        return [
            f"{each.name} {each.evr} is still installed beside a newer one: an update was cut short."
            for each in self.duplicates()
        ]

    def repair(self) -> List[Step]:
        """Finish the clean-up that an update which was cut short left undone: the older of two goes."""
        return self._clean_up(allow=(0,))

    def clean_up_first(self) -> List[Step]:
        """`repair` at the head of the way back, where it may have been made already (`unfinished` tells)."""
        return self._clean_up(allow=_ANY)

    def _clean_up(self, allow: Tuple[int, ...]) -> List[Step]:
        doubles = [str(each) for each in self.duplicates()]
        argv = (*self.rpm(), "-e", "--nodeps", *doubles)
        return [Step("finish what was cut short", argv, allow=allow)] if doubles else []

    def leftovers(self) -> List[str]:
        etc = os.path.join(self.root, "etc")
        listed = run([*self.rpm(), "-qac"], allow=_ANY).stdout.splitlines()
        paths = [os.path.join(self.root, path.lstrip("/")) for path in listed if not path.startswith("/etc/")]
        found = [path + suffix for path in paths for suffix in _LEFT if os.path.exists(path + suffix)]
        return sorted({*leftovers(etc, _LEFT), *found})

    def duplicates(self) -> List[Nevra]:
        """The older ones of packages that are there twice and should not be."""
        packages = _rpm.query(self.root)
        states = _rpm.installed_list(packages, set(), set())
        return [Nevra(each.name, each.arch, each.version) for each in states if each.state == "duplicate"]

    def there(self) -> Set[Nevra]:
        """Everything that is installed."""
        return {Nevra(package.name, package.arch, package.evr) for package in _rpm.query(self.root)}

    def to_do(self, actions: Sequence[Action]) -> Tuple[List[Nevra], List[Nevra]]:
        """What of `actions` has yet to come, and what to be removed."""
        there = self.there()
        comes = [_after(each) for each in actions if each.after and _after(each) not in there]
        goes = [_before(each) for each in actions if each.action == "remove" and _before(each) in there]
        return comes, goes

    def to_undo(self, actions: Sequence[Action]) -> Tuple[List[Nevra], List[Nevra]]:
        """What has to come back, and what was not there before."""
        there = self.there() - set(self.duplicates())
        comes = [_before(each) for each in actions if each.before and _before(each) not in there]
        goes = [_after(each) for each in actions if each.action == "install" and _after(each) in there]
        return comes, goes

    def rpm(self) -> List[str]:
        return ["rpm"] if self.root == "/" else ["rpm", "--root", self.root]

    def _bring(self, wanted: Sequence[Nevra], folder: str, old: bool) -> str:
        """Only what was verified gets into `folder`: dnf 4 leaves there what it finds to be badly signed."""
        incoming = os.path.join(folder, ".incoming")
        os.makedirs(incoming, exist_ok=True)
        said = self.download(wanted, incoming, old)
        if self.leaves_verified or not said:
            for path in _matching(incoming, "*.rpm"):
                os.replace(path, os.path.join(folder, os.path.basename(path)))
            shutil.rmtree(incoming)
        return said

    def _on_disk(self, wanted: Nevra) -> Optional[str]:
        """A whole file of that package from an earlier run or the manager's own cache."""
        paths = pool.find(wanted.file)
        for cache in self.caches:
            paths += _matching(os.path.join(self.root, cache), wanted.file)
        return next((path for path in paths if wanted in headers([path])), None)

    def _kept(self, package: Nevra, path: Optional[str], said: str) -> Kept:
        if path:
            return Kept(package.name, package.arch, package.evr, path, os.path.getsize(path))
        why = f"no repository and no file on this host has {package} any more, and rpm cannot pack it again"
        return Kept(package.name, package.arch, package.evr, None, 0, f"{said or why}.")


def as_action(kind: str, package: Nevra, installed: Dict[Tuple[str, str], str], names: Dict[str, str]) -> Action:
    """What a transaction does to a package; `names` are the versions by name, for one that changes its architecture."""
    before = installed.get((package.name, package.arch)) or names.get(package.name)
    if kind == "install" or before is None:
        return Action("install", package.name, package.arch, None, package.evr)
    return Action(kind, package.name, package.arch, before, package.evr)


def _matching(folder: str, name: str) -> List[str]:
    """The files of that name anywhere below `folder`."""
    return sorted(glob.glob(os.path.join(glob.escape(folder), "**", name), recursive=True))


def files(folder: str) -> Dict[Nevra, str]:
    """The whole package files in `folder`."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return headers([os.path.join(folder, name) for name in names if name.endswith(".rpm")])


def headers(paths: Sequence[str]) -> Dict[Nevra, str]:
    """What these files are; those that are not whole are left out."""
    found: Dict[Nevra, str] = {}
    if not paths:
        return found
    checked = run(["rpmkeys", "-K", "--nosignature", *paths], allow=_ANY).stdout
    whole = [path for path in paths if f"{path}: digests OK" in checked]
    if not whole:
        return found
    lines = run(["rpm", "-qp", "--nosignature", "--qf", f"{_HEADER}\\n", *whole]).stdout.splitlines()
    for path, line in zip(whole, lines):
        name, arch, evr = line.split("\t")
        found[Nevra(name, arch, without_zero(evr))] = path
    return found


def paths_of(packages: Iterable[Nevra], folder: str) -> List[str]:
    """Their files in `folder`. Raises UpkeepError `files_missing`."""
    there = files(folder)
    missing = [str(each) for each in packages if each not in there]
    if missing:
        raise UpkeepError(
            "files_missing",
            f"No whole file of {', '.join(missing)} is in {folder}: nothing was changed.",
            packages=missing,
        )
    return [there[each] for each in packages]


def automatic_before(folder: str) -> List[str]:
    """The names that `keep` found marked as automatic."""
    try:
        return list(json.loads(text_or_none(os.path.join(folder, _MARKS)) or "{}").get("automatic", []))
    except ValueError:
        return []


def _before(action: Action) -> Nevra:
    return Nevra(action.name, action.arch, action.before or "")


def _after(action: Action) -> Nevra:
    return Nevra(action.name, action.arch, action.after or "")


def _is_gone(said: str) -> bool:
    """Whether a server or a folder says that it does not have a file that its lists name."""
    return any(
        words in said
        for words in ("404", "410", "Curl error (37)", "not found on medium", "Could not open file", "Error opening")
    )
