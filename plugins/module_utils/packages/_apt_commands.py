# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking apt through its commands, where python-apt is missing: as few processes as possible."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from ._apt_view import CONFIGURATION, Choice, Key, Paths, Plan, Step, Version, failed, has_cache_room, native_key
from ._deb822 import paragraphs
from ._run import Finished, run

_SETTINGS = {
    "status": "Dir::State::status/f",
    "lists": "Dir::State::lists/d",
    "state": "Dir::State/d",
    "extended_states": "Dir::State::extended_states/f",
    "archives": "Dir::Cache::archives/d",
    "pkgcache": "Dir::Cache::pkgcache/f",
    **{f"etc_{name}": f"Dir::Etc::{name}/{'d' if name.endswith('parts') else 'f'}" for name in CONFIGURATION},
    "native": "APT::Architecture",
    "allow_insecure": "Acquire::AllowInsecureRepositories/b",
    "solver": "APT::Solver",
    "default_release": "APT::Default-Release",
    "suggests": "APT::Install-Suggests/b",
}
_TEXTS = ("status", "lists", "state", "extended_states", "archives", "pkgcache", "native", "solver", "default_release")
_INST = re.compile(r"^Inst (\S+)(?: \[([^\]\s]+)\])? \((\S+).*? ?\[([^\]\s]+)\]\)")
_REMV = re.compile(r"^(?:Remv|Purg) (\S+)(?: \[([^\]\s]+)\])?")
_UNMET = ("unmet dependencies", "needs to be reinstalled")
_VERSION = re.compile(r"^ (?:\*\*\*|   ) (\S+) (-?\d+)(?: \(phased .*\))?$")
_FILE = re.compile(r"^ {6,}-?\d+ (\S.*)$")


class Commands:
    """`AptView` on apt-get, apt-cache and apt-config."""

    collector = "commands"

    def __init__(self) -> None:
        arguments = [word for name, key in _SETTINGS.items() for word in (name.upper(), key)]
        self._settings = parse_settings(_apt(["apt-config", "shell", *arguments]).stdout)
        self._native = self._settings.get("native", "")
        self._version: Optional[str] = None
        self._cache_folder: Optional[str] = None
        self._used: Optional[List[str]] = None

    @property
    def apt_version(self) -> str:
        if self._version is None:
            first_line = _apt(["apt-get", "--version"]).stdout.split()
            self._version = first_line[1] if len(first_line) > 1 else ""
        return self._version

    def paths(self) -> Paths:
        values = self._settings
        missing = [name for name in ("status", "lists", "native") if not values.get(name)]
        if missing:
            raise failed(f"apt-config does not say {_SETTINGS[missing[0]]}")
        configuration = {name: values.get(f"etc_{name}", "") for name in CONFIGURATION}
        texts = {name: values.get(name, "") for name in _TEXTS}
        return Paths(
            sourcelist=configuration["sourcelist"],
            sourceparts=configuration["sourceparts"],
            allow_insecure=values.get("allow_insecure") == "true",
            configuration=tuple(configuration.values()),
            suggests=values.get("suggests") == "true",
            **texts,
        )

    def use(self, excerpt: Optional[Tuple[str, str]]) -> None:
        self._used = None
        if excerpt:
            lists, pkgcache = excerpt
            settings = {"Dir::State::lists": lists, "Dir::Cache::pkgcache": pkgcache, "Dir::Cache::srcpkgcache": ""}
            self._used = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def plan(self, full: bool) -> Plan:
        verb = "dist-upgrade" if full else "upgrade"
        result = run(["apt-get", "-s", "-q", *self.options(), verb], allow=(0, 100))
        said = result.stdout + result.stderr
        if result.rc and any(phrase in said.lower() for phrase in _UNMET):
            return Plan(refused=True)
        return parse_plan(_good(result).stdout, self._native)

    def choices(self, keys: Sequence[Key]) -> dict[Key, Choice]:
        if not keys:
            return {}
        names = [f"{name}:{arch}" for name, arch in keys]
        return parse_policy(_apt(["apt-cache", *self.options(), "policy", *names]).stdout, self._native)

    def records(self, wanted: Sequence[Tuple[Key, str]]) -> dict[Tuple[Key, str], Mapping[str, str]]:
        if not wanted:
            return {}
        names = [f"{name}:{arch}={version}" for (name, arch), version in wanted]
        result = run(["apt-cache", *self.options(), "show", *names], allow=(0, 100))
        found: dict[Tuple[Key, str], Mapping[str, str]] = {}
        for fields in paragraphs(result.stdout):
            key = native_key(fields.get("package", ""), fields.get("architecture", ""), self._native)
            found.setdefault((key, fields.get("version", "")), fields)
        return found

    def ask(self, command: Sequence[str], arguments: Sequence[str]) -> Finished:
        """What an apt command says, whether it likes what it is asked (0) or not (100)."""
        return run([*command, *self.options(), *arguments], allow=(0, 100))

    def offered(self, wanted: Sequence[Tuple[Key, str]]) -> dict[Tuple[Key, str], Mapping[str, str]]:
        """`records` of what a repository has, not of what is merely installed: with `filename`, `size` and `sha256`."""
        if not wanted:
            return {}
        said = self.ask(["apt-cache", "show"], [f"{name}:{arch}={version}" for (name, arch), version in wanted]).stdout
        found: dict[Tuple[Key, str], Mapping[str, str]] = {}
        for fields in paragraphs(said):
            if "filename" in fields:
                key = native_key(fields.get("package", ""), fields.get("architecture", ""), self._native)
                found.setdefault((key, fields.get("version", "")), fields)
        return found

    def close(self) -> None:
        if self._cache_folder:
            shutil.rmtree(self._cache_folder, ignore_errors=True)
            self._cache_folder = None

    def options(self) -> list[str]:
        """A cache of our own where apt keeps none (container images) or has no room: each would build one anew."""
        if self._used is not None:
            return self._used
        path = self._settings.get("pkgcache", "")
        if path and os.path.isfile(path) and has_cache_room(path):
            return []
        if self._cache_folder is None:
            self._cache_folder = tempfile.mkdtemp(prefix="upkeep-apt-")
        folder = self._cache_folder
        return [
            "-o",
            f"Dir::Cache::pkgcache={folder}/pkgcache.bin",
            "-o",
            f"Dir::Cache::srcpkgcache={folder}/srcpkgcache.bin",
        ]


def _apt(argv: list[str]) -> Finished:
    return _good(run(argv, allow=(0, 100)))


def _good(result: Finished) -> Finished:
    """A result, or UpkeepError `apt_failed` where apt itself gave up (its exit code for that is 100)."""
    if result.rc:
        said = (line[2:].strip(" .") for line in result.stderr.splitlines() if line.startswith("E:"))
        raise failed(next(said, "it does not say why"))
    return result


def parse_settings(text: str) -> dict[str, str]:
    """`NAME='value'` lines of `apt-config shell`, by lower-case name."""
    found = {}
    for line in text.splitlines():
        name, _equals, value = line.partition("=")
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        found[name.lower()] = words[0] if words else ""
    return found


def parse_plan(text: str, native: str) -> Plan:
    """The `Inst` and `Remv` lines of `apt-get -s`: `Inst name[:arch] [installed] (version origins [arch]) …`."""
    plan = Plan()
    for line in text.splitlines():
        match = _INST.match(line)
        if match:
            name, installed, version, arch = match.groups()
            plan.install[_full_name(name, native)] = Step(installed, version, arch)
            continue
        match = _REMV.match(line)
        if match:
            plan.remove[_full_name(match.group(1), native)] = match.group(2) or ""
    # A package that must go before its new version comes is listed twice.
    for key in plan.install:
        plan.remove.pop(key, None)
    return plan


def parse_policy(text: str, native: str) -> dict[Key, Choice]:
    """`apt-cache policy name:arch …`: a block a package, with the candidate and a table of versions and their files."""
    found = {}
    for header, lines in _blocks(text):
        candidate = None
        table: list[tuple[str, int, list[str]]] = []
        for line in lines:
            if line.startswith("  Candidate: "):
                word = line[len("  Candidate: ") :].strip()
                candidate = None if word == "(none)" else word
                continue
            version = _VERSION.match(line)
            if version:
                table.append((version.group(1), int(version.group(2)), []))
                continue
            file = _FILE.match(line)
            if file and table and not file.group(1).startswith("/"):
                table[-1][2].append(file.group(1))
        versions = tuple(Version(number, priority, tuple(sorted(files))) for number, priority, files in table)
        found[_full_name(header, native)] = Choice(candidate, versions)
    return found


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    header = ""
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1] not in ("", " ") and line.endswith(":"):
            if header:
                yield header, lines
            header, lines = line[:-1], []
        else:
            lines.append(line)
    if header:
        yield header, lines


def _full_name(name: str, native: str) -> Key:
    bare, _colon, arch = name.partition(":")
    return native_key(bare, arch, native)
