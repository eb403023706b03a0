# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking dnf5 through its command, where libdnf5's bindings are missing; from its metadata cache alone."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from .. import times
from ..errors import UpkeepError
from ._dnf_common import failed, find_cache, hidden, needs, order, parse_problems, read_locks, version
from ._rpm import RpmPackage
from ._rpm_view import Advisory, Available, Facts, Gone, RpmRepo, Step
from ._rpmversion import without_zero
from ._run import Finished, run

_EVERYTHING = "--setopt=disable_excludes=*"
_OFFER = "%{name}\t%{arch}\t%{evr}\t%{repoid}\t%{sourcerpm}\\n"  # dnf5 itself knows \n, and not \t
_NEVRA = re.compile(r"^(.+)-([^-]+-[^-]+)\.([^.]+)$")
_REPOSITORY = re.compile(r'^=+ "(.+)" repository configuration: =+$')
# The headings of a transaction's table, by what they mean for the packages below; others are of no interest.
_HEADINGS = {
    "Upgrading:": "upgrade",
    "Installing:": "install",
    "Installing dependencies:": "install",
    "Installing weak dependencies:": "install",
    "Installing groups:": None,
    "Downgrading:": "downgrade",
    "Removing:": "remove",
    "Removing dependent packages:": "remove",
    "Removing unused dependencies:": "remove",
}


class Dnf5:
    """A dnf5 that answers from its cache; `root` is that of the system."""

    def __init__(self, command: str, root: str) -> None:
        self.command, self.root = command, root
        self._argv = [command, "-C", "-q", "--no-plugins"]
        if root != "/":
            self._argv.append(f"--installroot={root}")

    def ask(self, packages: Sequence[RpmPackage]) -> Facts:
        """Raises UpkeepError `dnf_failed`, `command_failed`."""
        main, _sections = parse_config(self._run("--dump-main-config"))
        cache = main.get("cachedir", "")
        if os.geteuid() != 0 and main.get("system_cachedir"):
            cache = main["system_cachedir"]
            self._argv.append(f"--setopt=cachedir={cache}")
        sections = self._repository_options()
        listed: List[Dict[str, Any]] = []
        if sections:
            self._argv.append("--setopt=*.skip_if_unavailable=1")
            listed = json.loads(self._run("repo", "info", "--all", "--json"))
        offers = [_EVERYTHING, "repoquery", "--upgrades", f"--qf={_OFFER}"]
        whole = parse_offers(self._run(*offers, "--disable-modular-filtering"))
        regular = set(parse_offers(self._run(*offers)))
        seen = set(parse_offers(self._run(*offers[1:])))
        table = self._plan()
        install, remove = parse_plan(table.stdout)
        install = self._with_sources(install, whole)
        reasons = self._run(_EVERYTHING, "repoquery", "--installed", "--qf=%{name}\t%{arch}\t%{reason}\\n")
        advisories = self._run(_EVERYTHING, "advisory", "info", "--available", "--json")
        return Facts(
            version=version(self.command),
            repositories=self._repositories(listed, sections, cache),
            newer=sorted((replace(offer, hidden=hidden(offer, seen, regular)) for offer in whole), key=order),
            install=install,
            remove=remove,
            problems=parse_problems(table.stderr + "\n" + table.stdout),
            advisories=parse_advisories(advisories, {package.name for package in packages}),
            auto=parse_auto(reasons),
            locks=read_locks(self.root, packages),
            excludes=_words(main.get("excludepkgs")),
            best=main.get("best") in ("1", "true", "True"),
            paths={"cache": cache},
        )

    def _repository_options(self) -> Dict[str, Dict[str, str]]:
        try:
            return parse_config(self._run("--dump-repo-config=*"))[1]
        except UpkeepError as error:
            if "No matching repositories" in error.message:  # a `*` that means nothing is an error to it
                return {}
            raise

    def _with_sources(self, steps: List[Step], offers: List[Available]) -> List[Step]:
        """The table of a transaction names no source packages: those of new packages have to be asked for."""
        known = {order(offer): offer for offer in offers}
        unknown = [step.package for step in steps if order(step.package) not in known]
        if unknown:
            names = [f"{package.name}-{package.evr}.{package.arch}" for package in unknown]
            found = self._run(_EVERYTHING, "repoquery", "--disable-modular-filtering", f"--qf={_OFFER}", *names)
            known.update((order(offer), offer) for offer in parse_offers(found))
        return [Step(known.get(order(step.package), step.package), step.kind) for step in steps]

    def _run(self, *arguments: str) -> str:
        return self._finished(list(arguments), (0,)).stdout

    def _plan(self) -> Finished:
        # Exit code 1 is what a question that is answered with no ends in.
        return self._finished(["--no-best", "--assumeno", "upgrade"], (0, 1))

    def _finished(self, arguments: List[str], allow: Tuple[int, ...]) -> Finished:
        result = run([*self._argv, *arguments], timeout=300, allow=tuple(range(256)))
        if result.rc not in allow or (result.rc and "Operation aborted" not in result.stderr + result.stdout):
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            raise failed(" ".join(lines[-3:]) or f"exit code {result.rc} of {' '.join(arguments[:2])}")
        return result

    def _repositories(
        self, listed: List[Dict[str, Any]], sections: Dict[str, Dict[str, str]], cache: str
    ) -> List[RpmRepo]:
        found = []
        for entry in listed:
            options = sections.get(entry["id"], {})
            repo = RpmRepo(
                id=entry["id"],
                enabled=bool(entry["is_enabled"]),
                name=entry.get("name") or "",
                signed=bool(entry.get("repo_gpgcheck")),
                excludes=sorted(entry.get("exclude_pkgs") or ()),
                needs=needs(options.get("sslclientcert"), self.root),
            )
            folder = _folder(cache, repo.id, options)
            if repo.enabled and folder:
                find_cache(repo, folder)
                repo.refreshed_at = entry.get("timestamp") if repo.fetched else None
            found.append(repo)
        return sorted(found, key=lambda repo: repo.id)


def _folder(cache: str, name: str, options: Dict[str, str]) -> Optional[str]:
    """`<id>-<hash>`, the hash being of the first address that is given (libdnf5, ConfigRepo::get_unique_id)."""
    address = next((_first(options[key]) for key in ("metalink", "mirrorlist", "baseurl") if options.get(key)), "")
    exact = os.path.join(cache, f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:16]}")
    if os.path.isdir(exact):
        return exact
    # Variables in an address, or another way to name it: the folder of this id that was used last.
    others = glob.glob(os.path.join(glob.escape(cache), glob.escape(name) + "-" + "[0-9a-f]" * 16))
    return max(others, key=os.path.getmtime, default=None)


def _first(value: str) -> str:
    return re.split(r"[\s,]+", value.strip())[0]


def _words(value: Optional[str]) -> List[str]:
    return sorted(filter(None, re.split(r"[\s,]+", value or "")))


def parse_config(text: str) -> Tuple[Dict[str, str], Dict[str, Dict[str, str]]]:
    """Main options, and those of each repository, of `dnf5 --dump-main-config --dump-repo-config=*`."""
    main: Dict[str, str] = {}
    sections: Dict[str, Dict[str, str]] = {}
    current = main
    for line in text.splitlines():
        heading = _REPOSITORY.match(line)
        if heading:
            current = sections.setdefault(heading.group(1), {})
        name, equals, value = line.partition(" = ")
        if equals:
            current[name.strip()] = value.strip()
    return main, sections


def parse_offers(text: str) -> List[Available]:
    """The lines that `_OFFER` asks for."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 5:
            name, arch, evr, repo, source = fields
            found.append(Available(name, arch, without_zero(evr), repo, source or None))
    return found


def parse_plan(text: str) -> Tuple[List[Step], List[Gone]]:
    """The table of a transaction: below a heading, ` name arch version repository size` a line, and indented further
    `replacing name arch version repository size` what goes for it."""
    install: List[Step] = []
    remove: List[Gone] = []
    kind: Optional[str] = None
    for line in text.splitlines():
        if line[:1].strip():
            kind = _HEADINGS.get(line.strip())
            continue
        words = line.split()
        if kind is None or len(words) < 4:
            continue
        if words[0] == "replacing":
            name, arch, evr = words[1:4]
            new = install[-1].package
            if name != new.name:
                remove.append(Gone(name, arch, without_zero(evr), f"{new.name} {new.evr}"))
            continue
        name, arch, evr, repo = words[:4]
        if kind == "remove":
            remove.append(Gone(name, arch, without_zero(evr)))
        else:
            install.append(Step(Available(name, arch, without_zero(evr), repo), kind))
    return install, remove


def parse_advisories(text: str, names: Set[str]) -> List[Advisory]:
    """`dnf5 advisory info --json`, as far as it speaks of packages with these names."""
    found = []
    for entry in json.loads(text or "[]"):
        packages = set()
        for nevra in _packages(entry.get("collections")):
            match = _NEVRA.match(nevra)
            if match and match.group(1) in names:
                packages.add((match.group(1), match.group(3), without_zero(match.group(2))))
        references = entry.get("references") or ()
        issued = entry.get("Issued")
        found.append(
            Advisory(
                id=entry["Name"],
                type=entry.get("Type") or "unknown",
                severity=entry.get("Severity") or None,
                published=times.from_timestamp(issued) if isinstance(issued, int) else None,
                cves=tuple(sorted({each["Id"] for each in references if each.get("Type") == "cve"})),
                packages=tuple(sorted(packages)),
            )
        )
    return sorted(found, key=lambda advisory: advisory.id)


def parse_auto(text: str) -> Set[Tuple[str, str]]:
    """(name, architecture) of what came as a dependency: lines of name, architecture and reason."""
    rows = (line.split("\t") for line in text.splitlines())
    return {(row[0], row[1]) for row in rows if len(row) == 3 and row[2] in ("Dependency", "Weak Dependency")}


def _packages(collections: Any) -> List[str]:
    """Newer dnf5s give a list of collections where older ones gave one."""
    groups = collections if isinstance(collections, list) else [collections or {}]
    return [nevra for group in groups for nevra in group.get("packages") or ()]
