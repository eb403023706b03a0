# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every update that is there for an installed rpm: what an upgrade would install, and what not, with the reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ._rpm import RpmPackage, many, source_of
from ._rpm_view import Advisory, Available, Facts, Gone, RpmRepo
from ._rpmversion import evr_key, split_evr
from .model import Pending, Removal

Key = Tuple[str, str]
# The words of Red Hat and its kin, Fedora, SUSE and Amazon.
SEVERITIES = {
    "critical": "critical",
    "urgent": "critical",
    "important": "high",
    "high": "high",
    "moderate": "medium",
    "medium": "medium",
    "low": "low",
}
_UNLOCK = {"dnf": "versionlock delete", "zypper": "removelock"}
_VERBS = {"dnf": "upgrade", "zypper": "update"}
_RANK = ("critical", "high", "medium", "low", "unknown")


def collect(facts: Facts, packages: Sequence[RpmPackage], tool: str) -> Tuple[List[Pending], List[Removal]]:
    """`pending` and `removals` of the document. `tool` is the command that sentences send the reader to."""
    here = {(package.name, package.arch): package for package in packages}
    names: Dict[str, List[RpmPackage]] = {}
    for package in here.values():
        names.setdefault(package.name, []).append(package)
    repositories = {repo.id: repo for repo in facts.repositories}
    advised: Dict[str, List[Advisory]] = {}
    for advisory in facts.advisories:
        for name in {name for name, _arch, _evr in advisory.packages}:
            advised.setdefault(name, []).append(advisory)
    offers: Dict[str, List[Available]] = {}
    for offer in facts.newer:
        offers.setdefault(offer.name, []).append(offer)
    explain = _Explainer(facts, repositories, tool)

    pending = []
    planned: Dict[Key, str] = {}
    for step in facts.install:
        old = _replaced(step.package, names)
        update = _update(step.package, old, offers, advised)
        update.new_dependency = old is None
        update.downgrade = step.kind == "downgrade"
        update.blocked_by, update.blocked_detail = explain.subscription(step.package, offers)
        pending.append(update)
        planned[step.package.name, old.arch if old else step.package.arch] = step.package.evr
    gone = {(entry.name, entry.arch) for entry in facts.remove if not many(entry.name)}
    for key, package in here.items():
        if key in gone:
            continue
        reached = planned.get(key, package.evr)
        above = [o for o in offers.get(package.name, ()) if _for(o, package, names) and _newer(o.evr, reached)]
        # What could be installed and is not, comes before what is filtered on purpose.
        for offered in ([o for o in above if not o.hidden], [o for o in above if o.hidden]):
            if not offered:
                continue
            newest = max(offered, key=lambda offer: evr_key(offer.evr))
            update = _update(newest, package, offers, advised)
            update.blocked_by, update.blocked_detail = explain.withheld(package, newest, offers)
            pending.append(update)
            break
    pending.sort(key=lambda entry: (entry.name, entry.arch, entry.blocked_by or ""))
    removals = [Removal(g.name, g.arch, g.evr, _because(g, facts)) for g in facts.remove]
    return pending, sorted(removals, key=lambda entry: (entry.name, entry.arch, evr_key(entry.version)))


def held_names(facts: Facts) -> set:
    """The names of the packages that a lock keeps at the version that is installed."""
    return {name for lock in facts.locks if lock.holds and not lock.excludes for name in lock.names}


def matches(pattern: str, package: Available) -> bool:
    """Whether an `excludepkgs` pattern means a package: its name, or any of dnf's longer forms (dnf.conf(5))."""
    epoch, version, release = split_evr(package.evr)
    whole = f"{package.name}-{epoch}:{version}-{release}"
    plain = f"{package.name}-{version}-{release}"
    forms = (package.name, f"{package.name}.{package.arch}", f"{package.name}-{version}", plain, whole)
    return any(fnmatchcase(form, pattern) for form in (*forms, f"{plain}.{package.arch}", f"{whole}.{package.arch}"))


class _Explainer:
    """Says why an update would not come."""

    def __init__(self, facts: Facts, repositories: Dict[str, RpmRepo], tool: str) -> None:
        self._facts, self._repositories, self._tool = facts, repositories, tool

    def withheld(self, package: RpmPackage, offer: Available, offers: Dict[str, List[Available]]) -> Tuple[str, str]:
        """`blocked_by` and `blocked_detail`."""
        by, detail = self.subscription(offer, offers)
        if by and detail:
            return by, detail
        lock = next((lock for lock in self._facts.locks if offer.name in lock.names), None)
        if lock and offer.hidden != "modular":
            return self._locked(package, lock)
        if offer.hidden == "modular":
            return "modular", self._modular(package, offer)
        if offer.hidden == "excluded":
            return "excluded", self._excluded(offer)
        return "kept_back", self._kept_back(package, offer)

    def subscription(self, offer: Available, offers: Dict[str, List[Available]]) -> Tuple[Optional[str], Optional[str]]:
        """`esm` where nobody but repositories that need a subscription offers that version."""
        same = {o.repo for o in offers.get(offer.name, ()) if o.evr == offer.evr} | {offer.repo}
        needs = [self._repositories[repo].needs for repo in sorted(same) if repo in self._repositories]
        if needs and all(needs):
            return "esm", f"{offer.evr} needs a subscription: {needs[0]}"
        return None, None

    def _locked(self, package: RpmPackage, lock) -> Tuple[str, str]:
        remedy = f"`{self._tool} {_UNLOCK[self._tool]} {package.name}`"
        if lock.holds and not lock.excludes:
            return "held", f"{package.name} is locked at {package.evr} ({lock.text}): {remedy} releases it."
        what = "forbids this version" if lock.excludes else "asks for another version than the one installed"
        return "pinned", f"A lock {what} ({lock.text}): {remedy} takes it away."

    def _modular(self, package: RpmPackage, offer: Available) -> str:
        is_of = f"the module stream {package.module} is in use" if package.module else "a module stream is in use"
        return (
            f"Modularity filters {offer.evr}: {is_of}, and this version is of no stream that is enabled: "
            f"`{self._tool} module list {package.name}` shows the streams."
        )

    def _excluded(self, offer: Available) -> str:
        for pattern in self._facts.excludes:
            if matches(pattern, offer):
                return f"The configuration of {self._tool} leaves it out (excludepkgs={pattern})."
        repo = self._repositories.get(offer.repo)
        for pattern in repo.excludes if repo else ():
            if matches(pattern, offer):
                return f"The repository {offer.repo} is configured to leave it out (excludepkgs={pattern})."
        return f"The configuration of {self._tool} filters it: see excludepkgs and includepkgs there."

    def _kept_back(self, package: RpmPackage, offer: Available) -> str:
        names = (f"{package.name}-{package.evr}.", f"{offer.name}-{offer.evr}.")
        for group in self._facts.problems:
            if any(name in sentence for name in names for sentence in group):
                # The solver's first sentence only says that it cannot be.
                why = "; ".join(group[1:] or group)
                nothing = (
                    f" A plain `{self._tool} upgrade` does nothing at all before that is solved." * self._facts.best
                )
                return f"{offer.evr} cannot be installed: {why}.{nothing}"
        return f"The dependencies do not show why: see `{self._tool} {_VERBS[self._tool]} {package.name}`."


def _replaced(offer: Available, names: Dict[str, List[RpmPackage]]) -> Optional[RpmPackage]:
    """The installed package that an offer takes the place of."""
    same = names.get(offer.name, [])
    exact = [package for package in same if package.arch == offer.arch]
    found = exact or [package for package in same if "noarch" in (package.arch, offer.arch)]
    return found[0] if found else None


def _for(offer: Available, package: RpmPackage, names: Dict[str, List[RpmPackage]]) -> bool:
    return _replaced(offer, names) is package


def _update(
    offer: Available,
    old: Optional[RpmPackage],
    offers: Dict[str, List[Available]],
    advised: Dict[str, List[Advisory]],
) -> Pending:
    source_name, source_version = source_of(offer.source_rpm, offer.name, offer.evr)
    same = {o.repo for o in offers.get(offer.name, ()) if (o.arch, o.evr) == (offer.arch, offer.evr)}
    update = Pending(
        name=offer.name,
        arch=offer.arch,
        installed=old.evr if old else None,
        candidate=offer.evr,
        source_name=source_name,
        source_version=source_version,
        origins=sorted(same | {offer.repo}),
        security=False,
    )
    if old:
        _advise(update, old, advised.get(offer.name, ()))
    return update


def _advise(update: Pending, old: RpmPackage, advisories: Iterable[Advisory]) -> None:
    """What the notices say of every version that the update passes: a fix is no less of one for being superseded."""
    low, high = evr_key(old.evr), evr_key(update.candidate)
    brought: List[Tuple[Advisory, str]] = []
    for advisory in advisories:
        versions = [
            evr
            for name, arch, evr in advisory.packages
            if name == update.name and arch in (update.arch, old.arch) and low < evr_key(evr) <= high
        ]
        if versions:
            brought.append((advisory, min(versions, key=evr_key)))
    security = [entry for entry in brought if entry[0].type == "security"]
    update.advisories = sorted(advisory.id for advisory, _evr in brought)
    update.cves = sorted({cve for advisory, _evr in brought for cve in advisory.cves})
    update.published_at = min((a.published for a, _evr in security or brought if a.published), default=None)
    if security:
        update.security = True
        update.security_version = min((evr for _advisory, evr in security), key=evr_key)
        update.severity = min((severity_of(advisory.severity) for advisory, _evr in security), key=_RANK.index)
        update.severity_source = "updateinfo" if update.severity != "unknown" else None


def severity_of(word: Optional[str]) -> str:
    """A vendor's word as one of ours."""
    return SEVERITIES.get((word or "").strip().lower(), "unknown")


def _because(gone: Gone, facts: Facts) -> str:
    if gone.by:
        return f"{gone.by} obsoletes it."
    if many(gone.name) and any(step.package.name == gone.name for step in facts.install):
        return "It is the oldest of the kernels that are kept (installonly_limit)."
    return "An upgrade cannot keep it: no package that replaces it is named."


def _newer(evr: str, than: str) -> bool:
    return evr_key(evr) > evr_key(than)
