# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dnf 4, dnf5 and zypper know and would do, in one shape however they were asked: plain data, equal either way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Set, Tuple


@dataclass
class RpmRepo:
    """A configured repository. `fetched`: its metadata is in the cache, last seen to be current at `refreshed_at`
    (seconds since the epoch); `repomd` and `updateinfo` are the paths of its index
    and its advisories there (None where it has none).

    `unread`: its advisories were looked for and cannot be read.
    `needs` is a sentence where it serves only those who have a subscription, and this host shows none.
    """

    id: str
    enabled: bool
    name: str = ""
    fetched: bool = False
    expired: bool = False
    refreshed_at: Optional[float] = None
    updateinfo: Optional[str] = None
    unread: bool = False
    repomd: Optional[str] = None
    signed: Optional[bool] = None
    excludes: List[str] = field(default_factory=list)
    needs: Optional[str] = None
    security: Optional[bool] = None


@dataclass(frozen=True)
class Available:
    """A version on offer. `hidden` is what filters it: `excluded`, `modular`, or None."""

    name: str
    arch: str
    evr: str
    repo: str
    source_rpm: Optional[str] = None
    hidden: Optional[str] = None


@dataclass(frozen=True)
class Step:
    """What an upgrade would install. `kind`: upgrade, install (new, or a kernel beside the others), downgrade."""

    package: Available
    kind: str


@dataclass(frozen=True)
class Gone:
    """What an upgrade would take away; `by` is what replaces it, None where nothing does."""

    name: str
    arch: str
    evr: str
    by: Optional[str] = None


@dataclass(frozen=True)
class Lock:
    """An entry of a list of locks, for packages of these `names`.

    `holds`: the installed version is the locked one; `excludes`: the entry forbids a version rather than choosing one.
    """

    text: str
    names: Tuple[str, ...]
    holds: bool
    excludes: bool = False


@dataclass(frozen=True)
class Advisory:
    """An update notice. `published` is ISO 8601 in UTC, ending in Z; `packages` are (name, architecture, EVR)."""

    id: str
    type: str
    severity: Optional[str] = None
    published: Optional[str] = None
    cves: Tuple[str, ...] = ()
    packages: Tuple[Tuple[str, str, str], ...] = ()


@dataclass
class Facts:
    """Everything that the two halves of a manager exchange.

    `newer`: each version on offer above the installed one, hidden or not. `install`, `remove`: what a full upgrade
    would do. `problems`: groups of sentences of the solver about what it would leave out. `best`: a plain upgrade does
    nothing at all as long as there are problems. `advisories`: those about newer versions of what is installed.
    """

    version: str
    repositories: List[RpmRepo]
    newer: List[Available]
    install: List[Step]
    remove: List[Gone]
    problems: List[List[str]]
    advisories: List[Advisory]
    auto: Set[Tuple[str, str]] = field(default_factory=set)
    locks: List[Lock] = field(default_factory=list)
    excludes: List[str] = field(default_factory=list)
    best: bool = False
    not_seen: List[str] = field(default_factory=list)
    paths: Dict[str, str] = field(default_factory=dict)
