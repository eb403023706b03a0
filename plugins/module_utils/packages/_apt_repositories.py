# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The repositories that apt is told to use, and what each signs about itself.

Formats: sources.list(5) (one-line and deb822), the Release files in apt's lists folder
(DebianRepository/Format in the Debian wiki), apt's names for them (URItoFileName in apt-pkg/contrib/strutl.cc).
"""

from __future__ import annotations

import email.utils
import fnmatch
import os
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Dict, List, Optional

from .. import times
from ._apt_view import Paths
from ._deb822 import paragraph, paragraphs
from ._files import read_text, text_or_none
from ._refresh_note import without_secrets
from .model import Repository

SECURITY = (
    # (Origin, field, pattern) of the Release files. Suite names roll (stable-security becomes oldstable-security).
    ("Debian", "label", "Debian-Security"),
    ("Debian", "codename", "*-security"),
    ("Ubuntu", "suite", "*-security"),
    ("UbuntuESM", "suite", "*-security"),
    ("UbuntuESMApps", "suite", "*-security"),
    ("Devuan", "label", "Devuan-Security"),
)
_ONE_LINE = re.compile(r"^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$")
_PART_NAME = re.compile(r"^[A-Za-z0-9_.-]+\.(list|sources)$")
_YES = ("yes", "true", "with", "on", "enable", "1")


@dataclass
class Source:
    """One (URI, suite) that the sources files name. `trust` is `yes`, `insecure` (may be unsigned) or empty."""

    uri: str
    suite: str
    components: List[str]
    enabled: bool = True
    trust: str = ""


@dataclass
class Known:
    """A repository as the document has it, with what is needed to recognise its lists."""

    source: Source
    model: Repository
    release: Dict[str, str] = field(default_factory=dict)

    @property
    def not_automatic(self) -> bool:
        """Whether apt takes nothing from it unasked (backports, experimental)."""
        return self.release.get("notautomatic", "").lower() in _YES

    def origin_text(self) -> str:
        """`Label:Version/Suite`, as apt itself prints it."""
        label, version = self.model.label, self.model.version
        suite = self.model.suite if self.release.get("suite") else None
        text = f"{label}:" if label else ""
        if suite:
            return text + (f"{version}/{suite}" if version else suite)
        host = re.sub(r"^[a-z+]+:(//)?", "", self.source.uri).split("/")[0]
        return text + (host or "localhost")


def parse_one_line(text: str) -> list[Source]:
    """sources.list: `deb [option=value …] uri suite component…`, one a line; comments are no repositories."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0].strip())
        if match:
            options = dict(word.partition("=")[::2] for word in (match.group(1) or "").split())
            found.append(Source(match.group(2), match.group(3), match.group(4).split(), True, _trust(options)))
    return found


def parse_deb822(text: str) -> list[Source]:
    """*.sources: `Types`, `URIs`, `Suites`, `Components`, each a list; `Enabled: no` switches one off."""
    found = []
    for fields in paragraphs(text):
        if "deb" not in fields.get("types", "").split():
            continue
        enabled = fields.get("enabled", "yes").lower() in _YES
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                found.append(Source(uri, suite, fields.get("components", "").split(), enabled, _trust(fields)))
    return found


def read_sources(paths: Paths) -> tuple[list[Source], list[str]]:
    """All sources, several entries of one (URI, suite) as one, and a sentence for each file that cannot be read."""
    files = [paths.sourcelist] if paths.sourcelist and os.path.isfile(paths.sourcelist) else []
    if paths.sourceparts and os.path.isdir(paths.sourceparts):
        names = sorted(name for name in os.listdir(paths.sourceparts) if _PART_NAME.match(name))
        files += [os.path.join(paths.sourceparts, name) for name in names]
    merged: dict[tuple[str, str, bool], Source] = {}
    problems = []
    for path in files:
        try:
            text = read_text(path)
        except OSError as error:
            problems.append(f"{path} cannot be read ({error.strerror}): the repositories that it names are not known.")
            continue
        for source in parse_deb822(text) if path.endswith(".sources") else parse_one_line(text):
            source.uri = source.uri.rstrip("/") + "/"
            source.suite = source.suite.replace("$(ARCH)", paths.native)
            known = merged.setdefault((source.uri, source.suite, source.enabled), source)
            known.components += [name for name in source.components if name not in known.components]
            known.trust = known.trust or source.trust
    return list(merged.values()), problems


def file_name(uri: str) -> str:
    """The name that apt gives to a downloaded `uri` in its lists folder: no scheme, no credentials, `/` as `_`."""
    bare = re.sub(r"^[^:/]+:(//([^/@]*@)?)?", "", uri)
    quoted = "".join(
        f"%{byte:02x}" if byte <= 0x20 or byte >= 0x7F or chr(byte) in '\\|{}[]<>"^~_=!@#$%^&*' else chr(byte)
        for byte in bare.encode("utf-8", "surrogateescape")
    )
    return quoted.replace("/", "_")


def parse_release(text: str) -> dict[str, str]:
    """The fields of a Release or InRelease file (its signature's armour left out), by lower-case name."""
    if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        text = text.partition("\n\n")[2]
    return paragraph(text.partition("\n\n")[0].partition("-----BEGIN PGP SIGNATURE")[0])


def is_security(release: Dict[str, str]) -> bool:
    """Whether a Release file says that its repository is for security updates."""
    return any(
        release.get("origin") == origin and fnmatch.fnmatchcase(release.get(name, ""), pattern)
        for origin, name, pattern in SECURITY
    )


class Repositories:
    """Everything configured, and which of it a package list belongs to."""

    def __init__(self, paths: Paths) -> None:
        sources, self.problems = read_sources(paths)
        self._lists = paths.lists
        try:
            names = sorted(os.listdir(paths.lists))
        except OSError:
            names = []
        self.known = [_known(source, paths, names) for source in sources]
        self._cache: dict[str, Optional[Known]] = {}

    def models(self) -> list[Repository]:
        """For the document."""
        return [known.model for known in self.known]

    def of_file(self, name: str) -> Optional[Known]:
        """Who offers a package list: given by its path (bindings) or by apt's description of it (commands)."""
        if name not in self._cache:
            belongs = _by_path if name.startswith("/") else _by_description
            self._cache[name] = next((k for k in self.known if k.source.enabled and belongs(k.source, name)), None)
        return self._cache[name]


def _base(source: Source) -> str:
    if source.suite.endswith("/"):
        return source.uri + ("" if source.suite == "/" else source.suite)
    return f"{source.uri}dists/{source.suite}/"


def _by_path(source: Source, path: str) -> bool:
    name = os.path.basename(path)
    if source.suite.endswith("/"):
        return name.startswith(file_name(_base(source)) + "Packages")
    return any(name.startswith(file_name(f"{_base(source)}{part}/binary-")) for part in source.components)


def _by_description(source: Source, text: str) -> bool:
    # "http://archive.example.org/debian bookworm/main amd64 Packages"; of a flat repository "file:/srv/x ./ Packages"
    uri, _space, rest = without_secrets(text).partition(" ")
    if uri.rstrip("/") != without_secrets(source.uri).rstrip("/"):
        return False
    place = rest.split(" ")[0]
    if source.suite.endswith("/"):
        return place == source.suite
    return any(place == f"{source.suite}/{part}" for part in source.components)


def _known(source: Source, paths: Paths, names: list[str]) -> Known:
    prefix = file_name(_base(source))
    release: dict[str, str] = {}
    for name in ("InRelease", "Release"):
        text = text_or_none(os.path.join(paths.lists, prefix + name))
        if text is not None:
            release = parse_release(text)
            break
    signature = prefix + "InRelease" in names or prefix + "Release.gpg" in names
    signed: Optional[bool] = signature and source.trust != "yes"
    if signature and (source.trust == "insecure" or paths.allow_insecure):
        signed = None  # apt keeps the lists even if the signature is wrong, and leaves no note of it
    uri = without_secrets(source.uri).rstrip("/")
    model = Repository(
        id=f"{uri} {source.suite}",
        enabled=source.enabled,
        suite=release.get("suite") or source.suite,
        origin=release.get("origin"),
        label=release.get("label"),
        codename=release.get("codename"),
        version=release.get("version"),
        components=list(source.components),
        security=is_security(release),
        signed=signed if release else None,
        fetched=any(name.startswith(prefix) and "Packages" in name for name in names),
        date=_time(release.get("date")),
        valid_until=_time(release.get("valid-until")),
    )
    return Known(source, model, release)


def _trust(options: Dict[str, str]) -> str:
    if options.get("trusted", "").lower() in _YES:
        return "yes"
    return "insecure" if options.get("allow-insecure", "").lower() in _YES else ""


def _time(text: Optional[str]) -> Optional[str]:
    try:
        when: datetime = email.utils.parsedate_to_datetime(text or "")
    except (TypeError, ValueError, IndexError):
        return None
    return times.iso(when if when.tzinfo else when.replace(tzinfo=timezone.utc))
