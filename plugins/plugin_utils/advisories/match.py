# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the index says of one package at one version: which vulnerabilities it has, and how each can be answered.

Each distinct (release, kind, package, version, module stream) is judged once, however many hosts have it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import releases, severity, versions
from .index import Index
from .model import Exploited, Score, Statement

# Goes up when the same index would be judged otherwise, so that what was remembered of it is forgotten.
VERSION = 1
INVESTIGATED = "under investigation"
# Why something is put off that says that what was built does not have it.
_NOT_THERE = {"unimportant", "negligible"}


class Key(NamedTuple):
    """A package as it is judged. `kind`: whether `package` names a `source` or a `binary` package."""

    release: str
    kind: str
    package: str
    version: str
    module: str | None = None


class Vulnerability(NamedTuple):
    """One that a package has. `state`: `fixable` (from version `fixed` on), `unfixed`, `deferred` (unfixed, and why).

    `kev`: since when it is known to be exploited; `epss`: the probability that it will be within 30 days;
    `subscription`: what one must have to get the fix.
    """

    id: str
    state: str
    severity: str
    severity_source: str | None
    fixed: str | None = None
    advisory: str | None = None
    advisory_published: str | None = None
    published: str | None = None
    cvss: float | None = None
    kev: str | None = None
    epss: float | None = None
    deferred: str | None = None
    subscription: str | None = None


Found = tuple[Vulnerability, ...]
Compare = Callable[[str], Any]
NOTHING: Found = ()


class Memory(Protocol):
    """What other processes judged already (`memo.Memo`)."""

    def get(self, keys: Sequence[Key]) -> dict[Key, Found]: ...

    def put(self, found: dict[Key, Found]) -> None: ...


def readable(family: str, version: str) -> Any:
    """`versions.key`, or None for what is no version. Raises UpkeepError `univers_missing`."""
    try:
        return versions.key(family, version)
    except UpkeepError as error:
        if error.code != "version_unreadable":
            raise
        return None


@lru_cache(maxsize=2**16)
def reaches(family: str, version: str, fixed: str) -> bool:
    """Whether `version` is `fixed` or newer; a version that cannot be read reaches nothing."""
    known, wanted = readable(family, version), readable(family, fixed)
    return known is not None and wanted is not None and not known < wanted


class _Judgements:
    """The vulnerabilities of a package: those that it has at every version, and those below a fixing version.

    Versions between the same two fixing versions have the same ones: comparing versions is what costs here.
    """

    def __init__(self, always: list[Vulnerability], fixable: Mapping[str, list[Vulnerability]], key: Compare) -> None:
        self._always = always
        keyed = [(key(version), those) for version, those in fixable.items()]
        keyed.sort(key=lambda pair: pair[0])
        self._edges = [pair[0] for pair in keyed]
        self._fixable = [pair[1] for pair in keyed]
        self._found: dict[int, Found] = {}

    def at(self, version: Any) -> Found:
        """What a version (its key) has, by id."""
        place = bisect_right(self._edges, version)
        if place not in self._found:
            those = [*self._always, *(one for later in self._fixable[place:] for one in later)]
            self._found[place] = tuple(sorted(those, key=lambda one: one.id))
        return self._found[place]


class Matcher:
    """Judges packages by an open index. What it judged stays in memory, and in `memory` where one is given."""

    def __init__(self, index: Index, memory: Memory | None = None) -> None:
        self._index = index
        self._memory = memory
        self._releases: set[str] | None = None
        self._said: dict[tuple[str, str, str], dict[str | None, _Judgements]] = {}
        self._found: dict[Key, Found] = {}
        self._of_packages: dict[str, dict[Any, Found | None]] = {}
        self.judged = 0

    def covers(self, release: str) -> bool:
        """Whether anything is said of this release at all."""
        if self._releases is None:
            self._releases = self._index.releases()
        return release in self._releases

    def of_packages(self, release: str) -> dict[Any, Found | None]:
        """A place for whoever matches hosts of this release to keep what a package came to."""
        return self._of_packages.setdefault(release, {})

    def found(self, keys: Iterable[Key]) -> dict[Key, Found]:
        """Each key with its vulnerabilities, by id; a key whose version cannot be read is not among them.

        Raises UpkeepError `univers_missing`.
        """
        wanted = set(keys)
        missing = sorted((key for key in wanted if key not in self._found), key=str)
        if missing and self._memory is not None:
            self._found.update(self._memory.get(missing))
            missing = [key for key in missing if key not in self._found]
        if missing:
            fresh = {key: found for key in missing if (found := self._judge(key)) is not None}
            self._found.update(fresh)
            if self._memory is not None:
                self._memory.put(fresh)
        return {key: self._found[key] for key in wanted if key in self._found}

    def _judge(self, key: Key) -> Found | None:
        self.judged += 1
        judgements = self._judgements(key)
        if judgements is None:
            return NOTHING
        version = readable(releases.family(key.release), key.version)
        return None if version is None else judgements.at(version)

    def _judgements(self, key: Key) -> _Judgements | None:
        name = (key.release, key.package, key.kind)
        if name not in self._said:
            self._said[name] = self._read(*name)
        # What is true of a module stream alone says nothing of other packages of that name, nor the other way round.
        return self._said[name].get(key.module)

    def _read(self, release: str, package: str, kind: str) -> dict[str | None, _Judgements]:
        statements = self._index.statements(release, package, kind)
        if not statements:
            return {}
        names = {statement.vulnerability for statement in statements}
        known = _Known(
            self._index.first_published(names),
            self._index.exploited(names),
            self._index.scores(names),
            releases.of_os(release),
            releases.family(release),
            partial(readable, releases.family(release)),
        )
        grouped: dict[str | None, dict[str, list[Statement]]] = {}
        for statement in statements:
            grouped.setdefault(statement.module, {}).setdefault(statement.vulnerability, []).append(statement)
        return {module: _judgements(said.values(), known) for module, said in grouped.items()}


class _Known(NamedTuple):
    """What is known beside the statements of a package."""

    first_published: dict[str, str]
    exploited: dict[str, Exploited]
    scores: dict[str, Score]
    vendor: str
    family: str
    key: Compare


def _judgements(said: Iterable[list[Statement]], known: _Known) -> _Judgements:
    always: list[Vulnerability] = []
    fixable: dict[str, list[Vulnerability]] = {}
    for statements in said:
        one = _vulnerability(statements, known)
        if one is not None and one.fixed is not None:
            fixable.setdefault(one.fixed, []).append(one)
        elif one is not None:
            always.append(one)
    return _Judgements(always, fixable, known.key)


def _vulnerability(said: list[Statement], known: _Known) -> Vulnerability | None:
    """From all that is said of one: a fix outweighs `affected`, that outweighs the rest. None: nobody has it."""
    name = said[0].vulnerability
    fixes = [each for each in said if each.status == "fixed" and each.fixed and known.key(each.fixed) is not None]
    # A fix of which nobody can say from which version on is none.
    open_ones = [each for each in said if each.status == "affected" or (each.status == "fixed" and each not in fixes)]
    investigated = any(statement.status == "under_investigation" for statement in said)
    if not (fixes or open_ones or investigated):
        return None
    vendor, _said_by = severity.worst((statement.severity or "unknown", None) for statement in said)
    cvss = max((statement.cvss for statement in said if statement.cvss is not None), default=None)
    exploited, score = known.exploited.get(name), known.scores.get(name)
    level, source = severity.rated(exploited is not None, vendor, known.vendor, cvss)
    told = Vulnerability(
        name,
        "unfixed",
        level,
        source,
        published=min((each.published for each in said if each.published), default=known.first_published.get(name)),
        cvss=cvss,
        kev=exploited.added if exploited else None,
        epss=score.epss if score else None,
    )
    if fixes:
        return _fixable(told, fixes, known)
    # What is put off and exploited all the same is open; what the vendor's builds do not have (`unimportant`) is not.
    if any(not each.deferred or (exploited and each.deferred not in _NOT_THERE) for each in open_ones):
        return told
    reason = min((str(statement.deferred) for statement in open_ones), default=INVESTIGATED)
    return told._replace(state="deferred", deferred=reason)


def _fixable(told: Vulnerability, fixes: list[Statement], known: _Known) -> Vulnerability:
    """By the oldest version that fixes it; of several notices of that version, the first that came.

    A vendor of rpms that names a vulnerability again has found the first fix wanting: there it is the newest, of those
    that anybody gets.
    """
    fix = fixes[0]
    if len(fixes) > 1:
        if known.family == "rpm":
            fixes = [each for each in fixes if each.subscription is None] or fixes
        keys = [known.key(str(statement.fixed)) for statement in fixes]
        that = max(keys) if known.family == "rpm" else min(keys)
        those = [statement for statement, key in zip(fixes, keys) if not (key < that or that < key)]
        # What anybody gets before what needs a subscription.
        fix = min(those, key=_by_preference)
    return told._replace(
        state="fixable",
        fixed=fix.fixed,
        advisory=fix.advisory,
        advisory_published=fix.advisory_published,
        subscription=fix.subscription,
    )


def _by_preference(statement: Statement) -> tuple[Any, ...]:
    return (
        statement.subscription is not None,
        statement.advisory is None,
        statement.advisory_published or "9",
        statement.advisory or "",
        statement.fixed or "",
    )
