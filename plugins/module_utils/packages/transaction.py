# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages: what every package manager promises to a patch run. One file a manager, `<manager>_change.py`.

A change is planned by the manager's own solver, fetched, and then done by its commands as steps of a detached job
(`patching.job`), so that neither Python nor a connection has to live as long as it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

ACTIONS = ("upgrade", "install", "remove", "downgrade")


@dataclass(frozen=True)
class Wanted:
    """An update that policy approved: `version` and no other. `why` is policy's reason."""

    name: str
    arch: str
    version: str
    why: str = ""


@dataclass(frozen=True)
class Action:
    """What a transaction does to one package. `before` is None for an install, `after` None for a removal.

    `reversible`: whether the version before can be had again (from this host's disk or a repository); None: not asked.
    """

    action: str
    name: str
    arch: str
    before: Optional[str]
    after: Optional[str]
    why: str = ""
    reversible: Optional[bool] = None

    def document(self) -> Dict[str, Any]:
        """As `upkeep.plan/1` has it: `before` is `from`, `after` is `to`."""
        return {
            "action": self.action,
            "name": self.name,
            "arch": self.arch,
            "from": self.before,
            "to": self.after,
            "why": self.why,
            "reversible": self.reversible,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Action:
        """The action of such a document."""
        known = {key: document.get(key) for key in ("action", "name", "arch", "why", "reversible")}
        return cls(before=document.get("from"), after=document.get("to"), **known)  # type: ignore[arg-type]

    @property
    def identity(self) -> Tuple[str, str, str, Optional[str], Optional[str]]:
        """What makes two plans the same: neither reasons nor the way back."""
        return (self.action, self.name, self.arch, self.before, self.after)


@dataclass
class Simulation:
    """What the solver would do for what is wanted, sorted by name and architecture.

    `impossible` names what cannot be had as wanted, and why; its packages are in no action. `download_bytes` and
    `disk_bytes` (what the file system of the packages grows by) are None where the manager does not say.
    """

    actions: List[Action]
    impossible: List[Tuple[Wanted, str]] = field(default_factory=list)
    download_bytes: Optional[int] = None
    disk_bytes: Optional[int] = None


@dataclass(frozen=True)
class Kept:
    """A version on its way out, kept for the way back: the package file, or None and why there is none."""

    name: str
    arch: str
    version: str
    file: Optional[str]
    bytes: int = 0
    why: Optional[str] = None


@dataclass(frozen=True)
class Step:
    """One command of a job. `allow`: exit codes that are success. `environment` is added to the job's own (C.UTF-8, no
    questions). `always`: runs even if a step before failed (marks that have to be set again)."""

    name: str
    argv: Tuple[str, ...]
    allow: Tuple[int, ...] = (0,)
    environment: Mapping[str, str] = field(default_factory=dict)
    always: bool = False


class Transactions(Protocol):
    """What a manager does for a patch run. `root` is another system's root than this host's: for tests.

    Nothing here waits for a lock or asks a question. Each raises UpkeepError as `collect` does, and as named.
    """

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        """Exactly `wanted` and what it needs. With `removals` false, what needs a removal is `impossible`.

        Never moves a package that is not needed for it. Works from what the host has of its repositories' lists.
        """

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        """The actions with `reversible` set, without fetching anything."""

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        """Fetch what `actions` install into `folder`, verified against the repositories' signed metadata; the bytes.

        What lies there verified is not fetched again. UpkeepError `fetch_failed`, `plan_moved` (a version is gone).
        """

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        """The package files of the versions on their way out, in `folder`: from this host's disk, else fetched."""

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """The commands that do exactly `actions` from the files in `folder`, without network and without a question.

        Edited configuration files stay, automatic marks stay as they are. What is done already is passed over.
        """

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        """The commands that undo `actions` from the kept files in `folder`, whatever part of them was done: versions
        before come back exactly, what was installed goes, what was removed returns, marks as before."""

    def repair(self) -> List[Step]:
        """The commands that finish or clear a transaction that was interrupted (dpkg --configure -a)."""

    def installed(self) -> Dict[Tuple[str, str], str]:
        """(name, architecture) -> version of everything that is installed, now; quick (no solver)."""

    def unfinished(self) -> List[str]:
        """Packages in a state between (half-installed, unpacked, half-configured), as sentences; [] if all is well."""

    def leftovers(self) -> List[str]:
        """Paths that configuration file handling left beside the real ones (.dpkg-dist, .rpmnew, .pacnew, .apk-new)."""

    def locked_by(self) -> Optional[str]:
        """`"1234 apt-get"`: who holds a lock that keeps this manager from working; None if nobody does."""
