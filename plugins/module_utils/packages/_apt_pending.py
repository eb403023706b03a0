# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every update that is there for an installed package: what apt would install, and what not, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ._apt_repositories import Known, Repositories
from ._apt_view import AptView, Choice, Key, Paths, Plan, Version, native_key
from ._deb822 import source_of
from ._debdeps import Unit, World, obstacle
from ._debversion import version_key
from ._dpkg import DpkgPackage
from .model import Pending, Removal

_ESM = ("UbuntuESM", "UbuntuESMApps")
_REFUSED = "apt changes nothing until the broken dependencies are repaired: see `apt-get --fix-broken install`."


@dataclass(frozen=True)
class _Withheld:
    """An update that a full upgrade would not install."""

    version: Version
    by: str  # held, pinned, esm, or later: phased, kept_back
    preferred: Optional[Version] = None  # what apt would rather have, where it is a matter of priorities


def collect(
    view: AptView, packages: Sequence[DpkgPackage], repositories: Repositories, paths: Paths
) -> Tuple[List[Pending], List[Removal], bool]:
    """`pending` and `removals` of the document, and whether apt refuses to do anything at all.

    `packages` are the installed ones, as dpkg has them.
    """
    here = {native_key(package.name, package.arch, paths.native): package for package in packages}
    full = view.plan(full=True)
    # An upgrade that adds and removes nothing is the same in both modes: spare the second simulation.
    plain = full if full.refused or full.only_upgrades() else view.plan(full=False)
    choices = view.choices(sorted({*here, *full.install}))
    withheld = _withheld(here, full, choices, repositories)
    wanted = [(key, step.version) for key, step in full.install.items()]
    wanted += [(key, blocked.version.version) for key, blocked in withheld]
    records = view.records(wanted)
    explain = _Explainer(here, full, records, withheld, paths.default_release)

    pending = []
    for key, step in full.install.items():
        update = _update(key, step.installed, step.version, choices, records, repositories)
        update.arch = step.arch
        update.new_dependency = step.installed is None
        update.needs_full_upgrade = key not in plain.install
        update.downgrade = step.installed is not None and version_key(step.version) < version_key(step.installed)
        pending.append(update)
    for key, blocked in withheld:
        update = _update(key, here[key].version, blocked.version.version, choices, records, repositories)
        update.blocked_by, update.blocked_detail = explain.withheld(key, blocked, refused=full.refused)
        pending.append(update)
    pending.sort(key=lambda entry: (entry.name, entry.arch, entry.blocked_by or ""))
    removals = [Removal(key[0], key[1], version, explain.removal(key)) for key, version in sorted(full.remove.items())]
    return pending, removals, full.refused


def _withheld(
    here: Mapping[Key, DpkgPackage], full: Plan, choices: Mapping[Key, Choice], repositories: Repositories
) -> List[Tuple[Key, _Withheld]]:
    found = []
    for key, package in sorted(here.items()):
        choice = choices.get(key)
        if choice is None or not package.version or package.state == "half-installed":
            continue
        planned = full.install.get(key)
        reached = planned.version if planned else package.version
        candidate = next((v for v in choice.versions if v.version == choice.candidate and v.files), None)
        if planned is None and key not in full.remove and candidate and _newer(candidate.version, package.version):
            found.append((key, _Withheld(candidate, "held" if package.held else "kept_back")))
            continue
        newest = _newest_offered(choice, repositories)
        if newest and _newer(newest.version, reached) and _newer(newest.version, choice.candidate or reached):
            preferred = next((v for v in choice.versions if v.version == choice.candidate), None)
            found.append((key, _Withheld(newest, _by_policy(newest, repositories), preferred)))
    return found


def _newest_offered(choice: Choice, repositories: Repositories) -> Optional[Version]:
    """The newest version of a repository that apt would take from by itself: backports are no updates."""
    offered = [v for v in choice.versions if any(not known.not_automatic for known in _known(v, repositories))]
    return max(offered, key=lambda version: version_key(version.version), default=None)


def _by_policy(version: Version, repositories: Repositories) -> str:
    origins = {known.model.origin for known in _known(version, repositories)}
    return "esm" if origins and origins <= set(_ESM) else "pinned"


class _Explainer:
    """Says why, from the packages as they would be after the full upgrade."""

    def __init__(
        self,
        here: Mapping[Key, DpkgPackage],
        full: Plan,
        records: Mapping[Tuple[Key, str], Mapping[str, str]],
        withheld: Sequence[Tuple[Key, _Withheld]],
        default_release: str,
    ) -> None:
        self._default_release = default_release
        self._here, self._full, self._records = here, full, records
        self._states = {key[0]: blocked.by.replace("_", " ") for key, blocked in withheld}
        self._made: Optional[World] = None

    def withheld(self, key: Key, blocked: _Withheld, refused: bool) -> Tuple[str, str]:
        """`blocked_by` and `blocked_detail`."""
        package, version = self._here[key], blocked.version
        if blocked.by == "held":
            return "held", f"{key[0]} is on hold at {package.version}: `apt-mark unhold {key[0]}` releases it."
        if blocked.by == "pinned":
            return "pinned", f"{self._priorities(blocked)}: see `apt-cache policy {key[0]}`."
        if blocked.by == "esm":
            return "esm", f"{version.version} needs a subscription (Ubuntu Pro)."
        if refused:
            return "kept_back", _REFUSED
        fields = self._records.get((key, version.version), {})
        why = obstacle(Unit(key[0], key[1], version.version, fields), self._world(), self._states)
        share = fields.get("phased-update-percentage", "100")
        if why is None and share.isdecimal() and int(share) < 100:
            return (
                "phased",
                f"{version.version} goes to {int(share)} % of the machines so far; this is not one of them.",
            )
        if why is None:
            return "kept_back", f"The dependencies do not show why: see `apt-get -s install {key[0]}`."
        return "kept_back", _sentence(key[0], version.version, why)

    def _priorities(self, blocked: _Withheld) -> str:
        version, preferred = blocked.version, blocked.preferred
        if preferred is None or preferred.priority <= version.priority:
            return f"apt's preferences give {version.version} the priority {version.priority}"
        # A release named there outranks its own security suite, too, unless that is meant as well.
        why = f" (APT::Default-Release is {self._default_release})" if self._default_release else ""
        return (
            f"apt gives {version.version} the priority {version.priority} and prefers {preferred.version} with "
            f"{preferred.priority}{why}"
        )

    def removal(self, key: Key) -> str:
        """Why a package would have to go."""
        package = self._here.get(key)
        if package is None:
            return "apt does not say why."
        why = obstacle(Unit(key[0], key[1], package.version, package.fields), self._world(), self._states)
        return _sentence(key[0], package.version, why) if why else "Its dependencies do not show why."

    def _world(self) -> World:
        if self._made is None:
            units = [
                Unit(key[0], key[1], package.version, package.fields)
                for key, package in self._here.items()
                if key not in self._full.install and key not in self._full.remove
            ]
            units += [
                Unit(key[0], key[1], step.version, self._records.get((key, step.version), {}))
                for key, step in self._full.install.items()
            ]
            self._made = World(units)
        return self._made


def _sentence(name: str, version: str, why: str) -> str:
    """An `obstacle` speaks of the package itself by its verb alone, and of others by their name."""
    own = why.split(" ", 1)[0] in ("needs", "conflicts", "breaks")
    return f"{name} {version} {why}." if own else f"{why}."


def _update(
    key: Key,
    installed: Optional[str],
    version: str,
    choices: Mapping[Key, Choice],
    records: Mapping[Tuple[Key, str], Mapping[str, str]],
    repositories: Repositories,
) -> Pending:
    fields = records.get((key, version), {})
    source_name, source_version = source_of(fields)
    versions = choices[key].versions if key in choices else ()
    fix = _first_fix(versions, installed, version, repositories)
    origins: Dict[str, None] = {}
    for entry in versions:
        if entry.version == version:
            origins.update((known.origin_text(), None) for known in _known(entry, repositories))
    return Pending(
        name=key[0],
        arch=fields.get("architecture") or key[1],
        installed=installed,
        candidate=version,
        source_name=source_name or key[0],
        source_version=source_version or version,
        origins=list(origins),
        security=fix is not None,
        security_version=fix,
    )


def _first_fix(
    versions: Sequence[Version], installed: Optional[str], candidate: str, repositories: Repositories
) -> Optional[str]:
    """The oldest version from a security repository that the update brings, even on its way to a newer one.

    A point release often supersedes a security update: the candidate then comes from elsewhere, and still fixes it.
    """
    if installed is None:
        return None
    low, high = version_key(installed), version_key(candidate)
    fixes = [
        entry.version
        for entry in versions
        if low < version_key(entry.version) <= high
        and any(known.model.security for known in _known(entry, repositories))
    ]
    return min(fixes, key=version_key, default=None)


def _known(version: Version, repositories: Repositories) -> List[Known]:
    """The repositories that offer a version, in the order of the configuration."""
    offering = [repositories.of_file(name) for name in version.files]
    return [known for known in repositories.known if any(known is other for other in offering)]


def _newer(version: str, than: str) -> bool:
    return version_key(version) > version_key(than)
