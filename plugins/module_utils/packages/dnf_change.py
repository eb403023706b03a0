# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with dnf 4 and dnf5, through their commands: both take the same arguments, but for a few names."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Sequence, Set, Tuple, Union

from ..errors import UpkeepError
from . import _dnf_health, _dnf_table, _rpm
from ._dnf5_commands import parse_config
from ._locks import locked_by, pid_locked_by
from ._rpm_change import Nevra, RpmChange, as_action, automatic_before, files, paths_of
from ._rpmversion import without_zero
from ._run import Finished, run
from ._settle import Answer, settle
from .dnf import program
from .transaction import Action, Simulation, Step, Wanted

TIMEOUT = 300
FETCH_TIMEOUT = 3600
_OFFER = "%{name} %{arch} %{epoch}:%{version}-%{release} %{downloadsize} %{installsize} %{repoid}\n"
# Only what is asked for and what it needs, all of it or nothing; dependencies that are no longer needed stay.
_EXACTLY = ("--setopt=strict=1", "--setopt=install_weak_deps=0", "--setopt=clean_requirements_on_remove=0")
# A question is answered now or refused: a job may wait for a lock, who looks at a host may not.
_ASKING = (*_EXACTLY, "--best", "--setopt=exit_on_lock=1")
# A list that has grown old since the plan is not renewed while its packages are fetched.
_AS_PLANNED = "--setopt=*.metadata_expire=-1"


class Dnf(RpmChange):
    """`transaction.Transactions` on dnf."""

    tool = "dnf"
    caches = ("var/cache/dnf", "var/cache/libdnf5")

    def __init__(self, root: str = "/") -> None:
        super().__init__(root)
        command, self._five = program()
        self._alone = "--disable-repo=*" if self._five else "--disablerepo=*"
        self._argv = [command] if root == "/" else [command, f"--installroot={root}"]

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        """Raises UpkeepError `dnf_failed`, `manager_locked`, `command_failed`, `package_database_damaged`."""
        packages = _rpm.query(self.root)
        installed = {(each.name, each.arch): each.evr for each in packages}
        names = {each.name: each.evr for each in packages}
        exactly = {Nevra(each.name, each.arch, each.evr) for each in packages}

        def ask(group: Sequence[Wanted]) -> Answer:
            said = self._simulated([str(_nevra(each)) for each in group], removals)
            if isinstance(said, str):
                return Answer(refused=said)
            comes = [as_action(kind, Nevra(*package), installed, names) for kind, *package in said.comes]
            return Answer(comes + [Action("remove", *gone, None) for gone in said.goes])

        new = [each for each in wanted if _nevra(each) not in exactly]
        found = settle(new, removals, ask, _rpm.many)
        found.download_bytes, found.disk_bytes = self._sizes(found.actions)
        return found

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        comes, goes = self.to_do(actions)
        steps = self._change(paths_of(comes, folder), goes, erasing=bool(goes))
        # What comes for others' sake is theirs; what takes the place of something that was asked for, is not.
        new = [each.name for each in actions if each.action == "install" and not _rpm.many(each.name)]
        going = {each.name for each in actions if each.action == "remove"}
        return steps + self._marks(new) if not going or going <= self.automatic() else steps

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        comes, goes = self.to_undo(actions)
        paths = paths_of(comes, folder)
        return [
            *self.clean_up_first(),
            *self._change(paths, goes, erasing=bool(goes)),
            *self._marks(automatic_before(folder)),
        ]

    def locked_by(self) -> Optional[str]:
        return pid_locked_by(_dnf_health.pid_files(self.root)) or locked_by(_rpm.lock_files(self.root))[0]

    def offered(self, wanted: Sequence[Nevra]) -> Set[Nevra]:
        return set(self._offers(wanted))

    def download(self, wanted: Sequence[Nevra], folder: str, old: bool) -> str:
        verb = "reinstall" if old else "install"
        options = ["-y", _AS_PLANNED, *_ASKING, f"--setopt=destdir={folder}"]
        # What is to go for it is of no interest before it comes.
        erasing = [] if old else ["--allowerasing"]
        specs = [str(each) for each in wanted]
        result = self._run(*options, verb, "--downloadonly", *erasing, *specs, timeout=FETCH_TIMEOUT)
        said = "" if result.rc == 0 else _dnf_table.failure(result.stderr, result.stdout)
        return said or (self._unsigned(wanted, folder) if self._five else "")

    def automatic(self) -> Set[str]:
        listed = self._run(self._alone, "-q", "repoquery", "--userinstalled", "--qf=%{name}\n").stdout.split()
        return {package.name for package in _rpm.query(self.root)} - set(listed)

    def _simulated(self, specs: Sequence[str], removals: bool) -> Union[_dnf_table.Table, str]:
        """The table for these packages, or why there is none."""
        erasing = ["--allowerasing"] if removals else []
        result = self._run("-C", "--assumeno", *_ASKING, "install", *erasing, *specs)
        said = result.stderr + "\n" + result.stdout
        if "Operation aborted" in said or "Nothing to do" in said:
            return _dnf_table.parse(result.stdout)
        if "locked by" in said:
            raise UpkeepError("manager_locked", f"dnf is locked: {_dnf_table.refusal(result.stderr, result.stdout)}.")
        return _dnf_table.refusal(result.stderr, result.stdout)

    def _change(self, paths: Sequence[str], goes: Sequence[Nevra], erasing: bool) -> List[Step]:
        """From files alone: no repository is asked, so that nothing else can come."""
        argv = [*self._argv, "-y", self._alone, *_EXACTLY]
        steps = []
        if paths:
            allowed = ["--allowerasing"] if erasing else []
            steps.append(Step("install", (*argv, "install", *allowed, *paths)))
        if goes:
            # What the files' own rules took away already is no error here.
            steps.append(Step("remove", (*argv, "remove", *map(str, goes))))
        return steps

    def _marks(self, names: Sequence[str]) -> List[Step]:
        verb = ["dependency", "--skip-unavailable"] if self._five else ["remove"]
        argv = (*self._argv, "-y", self._alone, "mark", *verb, *sorted(names))
        # dnf 4 fails for one that did not come: that it did not is told by the step that should have brought it.
        return [Step("mark as automatic", argv, allow=(0, 1), always=True)] if names else []

    def _offers(self, wanted: Sequence[Nevra]) -> Dict[Nevra, Tuple[int, int, str]]:
        """Download size, size on disk and repository of what is on offer."""
        found: Dict[Nevra, Tuple[int, int, str]] = {}
        if wanted:
            text = self._run("-C", "-q", "repoquery", f"--qf={_OFFER}", *map(str, wanted)).stdout
            for words in (line.split() for line in text.splitlines()):
                if len(words) == 6 and words[3].isdecimal() and words[4].isdecimal():
                    package = Nevra(words[0], words[1], without_zero(words[2]))
                    found[package] = (int(words[3]), int(words[4]), words[5])
        return {each: found[each] for each in wanted if each in found}

    def _sizes(self, actions: Sequence[Action]) -> Tuple[Optional[int], Optional[int]]:
        if not actions:
            return 0, 0
        comes = [Nevra(each.name, each.arch, each.after) for each in actions if each.after]
        offers = self._offers(comes)
        if len(offers) < len(comes):
            return None, None
        goes = [str(Nevra(each.name, each.arch, each.before)) for each in actions if each.before]
        asked = run([*self.rpm(), "-q", "--qf", "%{LONGSIZE}\\n", *goes], allow=tuple(range(256))) if goes else None
        freed = sum(int(line) for line in asked.stdout.splitlines() if line.isdecimal()) if asked else 0
        return sum(each[0] for each in offers.values()), sum(each[1] for each in offers.values()) - freed

    def _unsigned(self, wanted: Sequence[Nevra], folder: str) -> str:
        """What is said of packages without a signature that their repository asks for: dnf5 looks at the signatures of
        what it installs from a repository, and neither of what it only downloads nor of files."""
        text = self._run("--dump-repo-config=*").stdout
        strict = {name for name, options in parse_config(text)[1].items() if options.get("pkg_gpgcheck") == "1"}
        offers = self._offers(wanted)
        there = files(folder)
        paths = [there[each] for each in wanted if each in there and each in offers and offers[each][2] in strict]
        root = [] if self.root == "/" else ["--root", self.root]
        checked = run(["rpmkeys", *root, "-K", *paths], allow=tuple(range(256))).stdout if paths else ""
        bad = [os.path.basename(path) for path in paths if f"{path}: digests signatures OK" not in checked]
        return f"{', '.join(bad)}: not signed by a key that rpm knows (`rpm --import`)" if bad else ""

    def _run(self, *arguments: str, timeout: int = TIMEOUT) -> Finished:
        return run([*self._argv, *arguments], timeout=timeout, allow=tuple(range(256)))


def _nevra(wanted: Wanted) -> Nevra:
    return Nevra(wanted.name, wanted.arch, wanted.version)
