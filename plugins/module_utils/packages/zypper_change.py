# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with zypper."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Sequence, Set, Tuple
from xml.etree import ElementTree

from .. import atomic
from ..errors import UpkeepError
from . import _rpm, _zypper_ask, _zypper_texts
from ._files import text_or_none
from ._locks import locked_by
from ._refresh_note import without_secrets
from ._rpm_change import Nevra, RpmChange, as_action, automatic_before, paths_of
from ._rpmversion import without_zero
from ._run import run
from ._settle import Answer, settle
from .transaction import Action, Simulation, Step, Wanted

TIMEOUT = 300
FETCH_TIMEOUT = 3600
# zypper(8): 102 asks for a reboot, 103 for another run (it has renewed itself), 106 has skipped a repository. 107 is a
# script of a package that failed: what it should have set up is not, so that is no success.
DONE = (0, 102, 103, 106)
_ONLY_ROOT, _LOCKED = 5, 7
_FIRST_SOLUTION = re.compile(r"Solution 1: (?:Following actions will be done:\s*)?(.+)")
# What is installed and in no repository any more has this one in zypper's lists.
_INSTALLED = "(System Packages)"
_AUTO = "var/lib/zypp/AutoInstalled"


class Zypper(RpmChange):
    """`transaction.Transactions` on zypper."""

    tool = "zypper"
    caches = ("var/cache/zypp/packages",)
    leaves_verified = True

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        """Raises UpkeepError `manager_locked`, `needs_root`, `zypper_failed`, `package_database_damaged`."""
        packages = _rpm.query(self.root)
        installed = {(each.name, each.arch): each.evr for each in packages}
        names = {each.name: each.evr for each in packages}
        exactly = {Nevra(each.name, each.arch, each.evr) for each in packages}

        def ask(group: Sequence[Wanted]) -> Answer:
            return self._answer(group, removals, installed, names)

        new = [each for each in wanted if Nevra(each.name, each.arch, each.version) not in exactly]
        return settle(new, removals, ask, _rpm.many)

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        comes, goes = self.to_do(actions)
        automatic = self.automatic()
        new = {each.name for each in actions if each.action == "install" and not _rpm.many(each.name)}
        going = {each.name for each in actions if each.action == "remove"}
        # What comes for others' sake is theirs; what takes the place of something that was asked for, is not.
        marks = self._marks(automatic | new if going <= automatic else automatic, folder)
        return self._change(paths_of(comes, folder), goes, folder) + marks

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """Raises UpkeepError `files_missing`."""
        comes, goes = self.to_undo(actions)
        automatic = self.automatic() - {each.name for each in goes} | set(automatic_before(folder))
        steps = [*self.clean_up_first(), *self._change(paths_of(comes, folder), goes, folder)]
        return steps + self._marks(automatic, folder)

    def locked_by(self) -> Optional[str]:
        return _zypper_ask.locker(self.root) or locked_by(_rpm.lock_files(self.root))[0]

    def offered(self, wanted: Sequence[Nevra]) -> Set[Nevra]:
        names = sorted({each.name for each in wanted})
        root, _rc = self._xml("--no-refresh", "search", "--details", "--type", "package", "--match-exact", *names)
        listed = [entry for entry in _zypper_texts.found(root) if entry.get("repository") != _INSTALLED]
        found = (Nevra(each["name"], each.get("arch", ""), without_zero(each.get("edition", ""))) for each in listed)
        return set(found) & set(wanted)

    def download(self, wanted: Sequence[Nevra], folder: str, old: bool) -> str:
        argv = ["--pkg-cache-dir", folder, "--no-refresh", "download", "--all-matches", *_specs(wanted)]
        root, rc = self._xml(*argv, timeout=FETCH_TIMEOUT)
        # It ends well whatever it could not get.
        return self._words(root, rc) if _errors(root) or rc not in DONE else ""

    def automatic(self) -> Set[str]:
        text = text_or_none(os.path.join(self.root, _AUTO)) or ""
        return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}

    def _answer(
        self, group: Sequence[Wanted], removals: bool, installed: Dict[Tuple[str, str], str], names: Dict[str, str]
    ) -> Answer:
        specs = _specs([Nevra(each.name, each.arch, each.version) for each in group])
        allowed = ["--force-resolution"] if removals else ["--no-force-resolution"]
        options = ["--dry-run", "--details", "--no-recommends", "--oldpackage", *allowed]
        root, rc = self._xml("--no-refresh", "install", *options, *specs)
        summary = root.find(".//install-summary")
        if summary is None or rc not in DONE:
            return Answer(refused=self._words(root, rc))
        steps, gone = _zypper_texts.plan(root)
        packages = [(step.kind, Nevra(step.package.name, step.package.arch, step.package.evr)) for step in steps]
        return Answer(
            [
                *(as_action(kind, package, installed, names) for kind, package in packages),
                *(Action("remove", each.name, each.arch, each.evr, None) for each in gone),
            ],
            download_bytes=_number(summary.get("download-size")),
            disk_bytes=_number(summary.get("space-usage-diff")),
        )

    def _change(self, paths: Sequence[str], goes: Sequence[Nevra], folder: str) -> List[Step]:
        """One transaction, from files alone: without a repository, nothing else can come."""
        if not paths and not goes:
            return []
        none = os.path.join(folder, "no-repositories")
        os.makedirs(none, exist_ok=True)
        gone = [f"!{spec}" for spec in _specs(goes)]
        # Their hashes were verified against the signed lists when they were fetched.
        options = ["--no-recommends", "--oldpackage", "--allow-unsigned-rpm", "--auto-agree-with-licenses"]
        argv = (*self._argv(), "--reposd-dir", none, "--no-refresh", "install", *options, *paths, *gone)
        return [Step("install", argv, allow=DONE)]

    def _marks(self, automatic: Set[str], folder: str) -> List[Step]:
        """zypper takes each file that it is given for one that somebody asked for, and has no command to say otherwise:
        its own list of what is automatic is put back, as it was when this job was first begun."""
        path = os.path.join(folder, "AutoInstalled")
        if not os.path.exists(path):
            atomic.write_text(path, "".join(f"{name}\n" for name in sorted(automatic)), mode=0o644)
        target = os.path.join(self.root, _AUTO)
        return [Step("mark as automatic", ("install", "-D", "-m", "644", "--", path, target), always=True)]

    def _words(self, root: ElementTree.Element, rc: int) -> str:
        """Why zypper refuses. Raises UpkeepError where that is nothing about packages."""
        said = [sentence for group in _zypper_texts.problems(root) for sentence in group]
        if "conflicting requests" in said:  # a lock, which is named only where zypper says what it would do about it
            said += [f"it would have to {each}" for each in _FIRST_SOLUTION.findall(_descriptions(root))]
        said += [] if said else _errors(root)
        words = without_secrets(" ".join("; ".join(dict.fromkeys(said)).split())) or f"it ended with {rc}"
        if rc == _LOCKED:
            raise UpkeepError("manager_locked", f"zypper is locked: {words}. Wait until that has ended.")
        if rc == _ONLY_ROOT:
            raise UpkeepError("needs_root", "zypper plans changes for root alone: run it as root (become: true).")
        return words

    def _argv(self) -> List[str]:
        return ["zypper", "--non-interactive", *([] if self.root == "/" else ["--root", self.root])]

    def _xml(self, *arguments: str, timeout: int = TIMEOUT) -> Tuple[ElementTree.Element, int]:
        result = run([*self._argv(), "--xmlout", *arguments], timeout=timeout, allow=tuple(range(256)))
        return _zypper_texts.tree(result.stdout), result.rc


def _specs(packages: Sequence[Nevra]) -> List[str]:
    return [f"{each.name}.{each.arch}={each.evr}" for each in packages]


def _descriptions(root: ElementTree.Element) -> str:
    return "\n".join(entry.text or "" for entry in root.iter("description"))


def _errors(root: ElementTree.Element) -> List[str]:
    """What went wrong, without that nobody was there to be asked."""
    return [text for text in _zypper_texts.messages(root) if not text.startswith("ABORT request")]


def _number(text: Optional[str]) -> Optional[int]:
    return int(text) if text and text.lstrip("-").isdecimal() else None
