# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking zypper through its command, and libzypp's cache of repository metadata; without the network."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Dict, List, Optional, Sequence, Tuple
from xml.etree import ElementTree

from ..errors import UpkeepError
from . import _updateinfo, _zypper_texts
from ._files import text_or_none
from ._locks import pid_locked_by
from ._refresh_note import Failures
from ._rpm import RpmPackage
from ._rpm_view import Advisory, Available, Facts, Gone, RpmRepo, Step
from ._run import Finished, run
from .host import os_release

LOCK_WAIT = 60
# Distributions that roll are brought forward by `dist-upgrade`: `update` leaves them half way (their own manuals).
ROLLING = ("opensuse-tumbleweed", "opensuse-slowroll", "opensuse-microos", "opensuse-aeon", "opensuse-kalpa")
# zypper(8), exit codes: 100-107 inform (updates, a reboot, a restart of zypper, nothing found); 6: no repositories.
_INFORMS = (0, 6, *range(100, 108))
_ONLY_ROOT, _LOCKED = 5, 7
_CREDENTIALS = re.compile(r"[?&]credentials=([^&]+)")


class Zypper:
    """A zypper that answers from its cache; `root` is that of the system."""

    def __init__(self, root: str) -> None:
        self.root = root
        # It waits for its lock by itself, as long as that variable says.
        self._argv = ["env", f"ZYPP_LOCK_TIMEOUT={LOCK_WAIT}", "zypper", "--non-interactive"]
        if root != "/":
            self._argv += ["--root", root]

    def ask(self, packages: Sequence[RpmPackage]) -> Facts:
        """Raises UpkeepError `zypper_failed`, `manager_locked`, `command_failed`."""
        repositories = self._repositories()
        usable = [repo for repo in repositories if repo.enabled and repo.fetched]
        newer: List[Available] = []
        install: List[Step] = []
        remove: List[Gone] = []
        problems: List[List[str]] = []
        blind: List[str] = []
        if usable:
            # Even with --no-refresh, zypper would fetch what it has never fetched.
            only = [word for repo in usable for word in ("--repo", repo.id)]
            only = only if len(usable) < sum(repo.enabled for repo in repositories) else []
            newer = _zypper_texts.updates(self._xml("list-updates", "--all", *only))
            install, remove, blind = self._plan(only)
        locks = _zypper_texts.locks(self._xml("locks"), [package.name for package in packages])
        locked = {name for lock in locks for name in lock.names}
        newer = [replace(offer, hidden="excluded" if offer.name in locked else None) for offer in newer]
        planned = {(step.package.name, step.package.arch) for step in install}
        left = [offer for offer in newer if not offer.hidden and (offer.name, offer.arch) not in planned]
        if left and not blind:
            problems = self._why(left)
        sources = {package.name: package for package in packages}
        advisories, unread = _advisories(usable, set(sources)) if newer else ([], [])
        return Facts(
            version=self._version(),
            repositories=repositories,
            newer=[_with_source(offer, sources) for offer in newer],
            install=[_with_source_of(step, sources) for step in self._with_repositories(install, newer, repositories)],
            remove=[self._replaced(gone, install) for gone in remove],
            problems=problems,
            advisories=advisories,
            auto=self._auto(packages),
            locks=locks,
            not_seen=blind + unread,
            paths={"cache": os.path.join(self.root, "var/cache/zypp")},
        )

    def refresh(self) -> Failures:
        """`zypper refresh`, which tries each repository and says what fails. It never trusts a key by itself."""
        try:
            result = self._run("--xmlout", "refresh", timeout=900)
            return Failures([], _zypper_texts.refresh_failures(_zypper_texts.tree(result.stdout)))
        except UpkeepError as error:
            return Failures([error.message])

    def _run(self, *arguments: str, timeout: int = 300) -> Finished:
        result = run([*self._argv, *arguments], timeout=timeout + LOCK_WAIT, allow=tuple(range(256)))
        if result.rc == _LOCKED:
            said = " ".join((result.stderr or result.stdout).split())
            raise UpkeepError(
                "manager_locked",
                f"zypper is locked, and still was after {LOCK_WAIT} seconds ({locker(self.root) or said}): wait for "
                "that, or stop it, and run again.",
            )
        return result

    def _xml(self, *arguments: str) -> ElementTree.Element:
        return self._checked(self._run("--xmlout", "--no-refresh", *arguments), arguments[0])

    def _checked(self, result: Finished, command: str) -> ElementTree.Element:
        root = _zypper_texts.tree(result.stdout)
        # 4 is the solver's exit code, whose problems are an answer.
        if result.rc not in _INFORMS and not (result.rc == 4 and _zypper_texts.problems(root)):
            said = _zypper_texts.messages(root) or [line for line in result.stderr.splitlines() if line.strip()]
            raise _zypper_texts.failed(said[0] if said else f"exit code {result.rc} of {command}")
        return root

    def _version(self) -> str:
        words = self._run("--version").stdout.split()
        return words[-1] if words else ""

    def _repositories(self) -> List[RpmRepo]:
        found = []
        for entry in _zypper_texts.repositories(self._xml("repos")):
            repo = RpmRepo(
                id=entry["alias"],
                enabled=entry.get("enabled") == "1",
                name=entry.get("name", ""),
                signed=entry.get("repo_gpgcheck", entry.get("gpgcheck")) == "1",
                needs=needs(entry["url"], self.root),
            )
            if repo.enabled:
                find_cache(repo, self.root)
            found.append(repo)
        return sorted(found, key=lambda repo: repo.id)

    def _plan(self, only: List[str]) -> Tuple[List[Step], List[Gone], List[str]]:
        """What an upgrade would install and remove, and a sentence where zypper does not tell this user all of it."""
        verb = "dist-upgrade" if os_release(self.root).get("ID") in ROLLING else "update"
        result = self._run("--xmlout", "--no-refresh", verb, "--dry-run", "--details", *only)
        if result.rc != _ONLY_ROOT:
            return (*_zypper_texts.plan(self._checked(result, verb)), [])
        updates = _zypper_texts.updates(self._xml("list-updates", *only))
        note = "What an upgrade would install anew or remove, and why it would keep something back: only root can ask."
        return [Step(offer, "upgrade") for offer in updates], [], [note]

    def _why(self, left: Sequence[Available]) -> List[List[str]]:
        """What the solver says when it is asked for just those versions; of those without any problem, the vendor."""
        root = self._xml("install", "--dry-run", *_exact(left))
        problems = _zypper_texts.problems(root)
        rest = [o for o in left if not any(f"{o.name}-{o.evr}." in line for group in problems for line in group)]
        if problems and rest:
            root = self._xml("install", "--dry-run", *_exact(rest))
            problems += _zypper_texts.problems(root)
        changed = _zypper_texts.vendor_changes(root)
        for offer in rest:
            if offer.name in changed:
                remedy = f"`zypper install {offer.name}={offer.evr}` would change it"
                sentence = (
                    f"{offer.name}-{offer.evr}.{offer.arch} is of another vendor, and zypper keeps to one ({remedy})"
                )
                problems.append([sentence])
        return problems

    def _with_repositories(
        self, steps: Sequence[Step], newer: Sequence[Available], repositories: Sequence[RpmRepo]
    ) -> List[Step]:
        """The summary of a transaction does not name repositories."""
        known = {(offer.name, offer.arch, offer.evr): offer.repo for offer in newer}
        unknown = [step.package for step in steps if _key(step.package) not in known]
        if unknown:
            names = sorted({package.name for package in unknown})
            aliases = {repo.name: repo.id for repo in repositories}
            for entry in _zypper_texts.found(
                self._xml("search", "--details", "--type", "package", "--match-exact", *names)
            ):
                repo = aliases.get(entry.get("repository", ""))
                if repo:
                    known.setdefault((entry["name"], entry.get("arch", ""), entry.get("edition", "")), repo)
        return [Step(replace(step.package, repo=known.get(_key(step.package), "")), step.kind) for step in steps]

    def _replaced(self, gone: Gone, steps: Sequence[Step]) -> Gone:
        """Which of the packages that come has declared the other obsolete."""
        root = self._xml("search", "--obsoletes", "--type", "package", "--match-exact", gone.name)
        names = {entry.get("name") for entry in _zypper_texts.found(root)}
        by = next((step.package for step in steps if step.package.name in names), None)
        return replace(gone, by=f"{by.name} {by.evr}") if by else gone

    def _auto(self, packages: Sequence[RpmPackage]) -> set:
        text = text_or_none(os.path.join(self.root, "var/lib/zypp/AutoInstalled")) or ""
        names = {line.strip() for line in text.splitlines() if not line.startswith("#")}
        return {(package.name, package.arch) for package in packages if package.name in names}


def find_cache(repo: RpmRepo, root: str) -> None:
    """Fill in what lies in a repository's folder of libzypp's cache.

    It touches the index when it finds it current, and makes the folder anew when it fetches: the later of the two is
    the time of the last refresh. (The index alone may carry the server's time.)
    """
    folder = os.path.join(root, "var/cache/zypp/raw", repo.id.replace("/", "_"))
    repodata = os.path.join(folder, "repodata")
    repo.repomd = os.path.join(repodata, "repomd.xml")
    try:
        repo.refreshed_at = max(os.stat(path).st_mtime for path in (repo.repomd, repodata, folder))
        names = sorted(os.listdir(repodata))
    except OSError:
        return
    repo.fetched = True
    repo.updateinfo = next((os.path.join(repodata, name) for name in names if "updateinfo.xml" in name), None)


def needs(url: str, root: str) -> Optional[str]:
    """The credentials of SUSE's registration that a repository's address asks for and this host does not have."""
    match = _CREDENTIALS.search(url)
    if not match or os.path.exists(os.path.join(root, "etc/zypp/credentials.d", match.group(1))):
        return None
    return f"its credentials {match.group(1)} are not in /etc/zypp/credentials.d; see `SUSEConnect --status`."


def pid_files(root: str) -> List[str]:
    """libzypp's lock: a file with the id of the process that has it."""
    return [os.path.join(root, name) for name in ("run/zypp.pid", "var/run/zypp.pid")]


def locker(root: str) -> Optional[str]:
    """`"1234 zypper"` where another process has libzypp's lock."""
    return pid_locked_by(pid_files(root))


def _advisories(repositories: Sequence[RpmRepo], names: set) -> Tuple[List[Advisory], List[str]]:
    """What the repositories' advisories say of those packages, and sentences about those that cannot be read."""
    found: Dict[str, Advisory] = {}
    unread = []
    for repo in repositories:
        advisories = _updateinfo.read(repo.updateinfo, names) if repo.updateinfo else []
        if advisories is None:
            repo.unread = True
            unread.append(f"The advisories of the repository {repo.id}: {repo.updateinfo} cannot be read.")
        for advisory in advisories or ():
            found.setdefault(advisory.id, advisory)
    return [found[name] for name in sorted(found)], unread


def _with_source(offer: Available, sources: Dict[str, RpmPackage]) -> Available:
    """zypper tells no source packages; one's name stays what it was, and its version is nearly always the package's."""
    old = sources.get(offer.name)
    version = offer.evr.partition(":")[2] or offer.evr
    return replace(offer, source_rpm=f"{old.source_name}-{version}.src.rpm") if old else offer


def _with_source_of(step: Step, sources: Dict[str, RpmPackage]) -> Step:
    return Step(_with_source(step.package, sources), step.kind)


def _key(package: Available) -> Tuple[str, str, str]:
    return package.name, package.arch, package.evr


def _exact(offers: Sequence[Available]) -> List[str]:
    return [f"{offer.name}={offer.evr}" for offer in offers]
