# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AlmaLinux's errata: what each security erratum brought. What is not fixed yet, the errata do not say.

Format: https://errata.almalinux.org/8/errata.full.json (a list of errata with their packages, module streams and CVEs).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import versions
from ..compressed import opened
from ..model import Edition, Feed, Row, Statement
from ._csaf import SEVERITIES
from ._reading import cves, expect, reading

_PATH = re.compile(r"errata-(\d+)\.full\.json")
_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.src\.rpm")
_MODULAR = ".module_el"
_NO_STREAM: list[str | None] = [None]
_LIST = re.compile(r'"data"\s*:\s*\[')
_BLOCK = 2**20
_LONGEST = 64 * 2**20  # characters of one erratum


class _Alma:
    name = "alma"
    title = "AlmaLinux errata"
    os_ids = ("almalinux",)
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One file a release."""
        majors = [release.partition(":")[2] for release in releases if release.startswith("almalinux:")]
        if not releases:
            raise UpkeepError(
                "releases_needed", "alma: its errata are a file a release: name some, such as almalinux:9."
            )
        return [
            Feed(f"https://errata.almalinux.org/{major}/errata.full.json", f"alma/errata-{major}.full.json", dated=True)
            for major in majors
        ]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements of each security erratum, one in memory at a time."""
        newest = 0
        with reading(self.name, file):
            match = _PATH.search(feed.path)
            if match is None:
                raise ValueError(f"{feed.path} does not say which release it is of")
            with opened(file) as stream:
                for erratum in _errata(stream):
                    newest = max(newest, int(erratum["updated_date"] or erratum["issued_date"]))
                    if erratum["type"] == "security":
                        yield from _statements(erratum, f"almalinux:{match.group(1)}")
            if newest:
                yield Edition(times.from_timestamp(newest))


SOURCE = _Alma()


def _statements(erratum: Mapping[str, Any], release: str) -> Iterator[Statement]:
    issued = times.from_timestamp(int(erratum["issued_date"]))
    named = [reference["id"] for reference in erratum.get("references") or () if reference.get("type") == "cve"]
    severity = SEVERITIES.get(str(erratum.get("severity")).lower())
    streams = _streams(erratum)
    for vulnerability in dict.fromkeys(cves(" ".join(named))) or [erratum["id"]]:
        for (kind, package), fixed in _packages(erratum["packages"]).items():
            for module in streams if _MODULAR in fixed else _NO_STREAM:
                yield Statement(
                    release,
                    package,
                    kind,
                    vulnerability,
                    "fixed",
                    fixed=fixed,
                    advisory=erratum["id"],
                    advisory_published=issued,
                    severity=severity,
                    module=module,
                )


def _streams(erratum: Mapping[str, Any]) -> list[str | None]:
    """The module streams that an erratum is of; where it lists those of several, its title says which is meant."""
    listed = sorted({f"{module['name']}:{module['stream']}" for module in erratum.get("modules") or ()})
    titled = [each for each in listed if each.replace("-devel:", ":", 1) in str(erratum.get("title")).split()]
    return [*(titled or listed)] or _NO_STREAM


def _packages(packages: list[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """The fixed version by (kind, name); source packages, where their epoch is certain. Of several builds, the first.

    A source's file name has no epoch: it is the one that its packages agree on. Where they do not, they are named.
    """
    epochs: dict[str, set[str]] = {}
    for each in packages:
        epochs.setdefault(each.get("src") or "", set()).add(str(each.get("epoch") or "0"))
    found: dict[tuple[str, str], str] = {}
    for each in packages:
        source, epoch = each.get("src") or "", str(each.get("epoch") or "0")
        match = _SOURCE.fullmatch(source) if len(epochs[source]) == 1 else None
        version = match["version"] if match else f"{each['version']}-{each['release']}"
        kind, name = ("source", match["name"]) if match else ("binary", each["name"])
        fixed = f"{epoch}:{version}"
        known = found.setdefault((kind, name), fixed)
        if fixed != known and versions.newer("rpm", known, fixed):
            found[kind, name] = fixed
    return found


def _errata(stream: BinaryIO) -> Iterator[Mapping[str, Any]]:
    """The members of the document's `data`, as they come. ValueError, TypeError."""
    text = io.TextIOWrapper(stream, "utf-8")
    decoder = json.JSONDecoder()
    buffer = text.read(_BLOCK)
    start = _LIST.search(buffer)
    if start is None:
        raise ValueError("it has no list of errata (data)")
    at, separated = start.end(), True
    while True:
        at = _blanks(buffer, at)
        try:
            mark = buffer[at]
            if mark == "]":
                break
            if mark == "," and not separated:
                at, separated = at + 1, True
                continue
            erratum, end = decoder.raw_decode(buffer, at)
        except (IndexError, json.JSONDecodeError) as error:
            more = text.read(_BLOCK) if len(buffer) - at <= _LONGEST else ""
            if not more:
                raise ValueError(f"no erratum stands where one should: {error}")
            buffer, at = buffer[at:] + more, 0
            continue
        if not separated:
            raise ValueError("two errata stand without a comma between them")
        yield expect(erratum, dict, "an erratum")
        at, separated = end, False
    if not (buffer[at + 1 :] + text.read(_BLOCK)).strip().endswith("}"):
        raise ValueError("it ends too early")


def _blanks(buffer: str, at: int) -> int:
    while at < len(buffer) and buffer[at] in " \t\r\n":
        at += 1
    return at
