# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian's security tracker: what it says of every source package, and the DSA and DLA lists for when fixes came.

Formats: https://security-team.debian.org/security_tracker.html and the tracker's `data/json`, which is
`{source: {vulnerability: {"releases": {codename: {"status": "open|resolved|undetermined", "fixed_version", "urgency",
"nodsa", "nodsa_reason"}}}}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from ..compressed import opened
from ..model import Feed, Notice, Row, Statement
from ._reading import cves, expect, members, reading

_CODENAMES = {
    "jessie": 8, "stretch": 9, "buster": 10, "bullseye": 11, "bookworm": 12, "trixie": 13, "forky": 14, "duke": 15,
}  # fmt: skip
_RELEASE = {codename: f"debian:{number}" for codename, number in _CODENAMES.items()}
# Debian rates neither everything nor anything critical; `**` marks a rating that was taken over from NVD.
_URGENCY = {"low": "low", "medium": "medium", "high": "high"}
_LISTS = "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data"
_HEAD = re.compile(r"\[(?P<day>\d{1,2}) (?P<month>[A-Z][a-z]{2}) (?P<year>\d{4})\] (?P<advisory>D[SL]A-\d+(?:-\d+)?)\b")
# strptime's %b goes by the operator's locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIX = re.compile(r"\s+\[(?P<codename>[a-z]+)\]\s+-\s+(?P<package>[a-z0-9][a-z0-9+.-]+)\s+(?P<fixed>\S+)")


class _Debian:
    name = "debian"
    title = "Debian security tracker"
    os_ids = ("debian",)
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One set of files speaks of every release."""
        return [
            Feed("https://security-tracker.debian.org/tracker/data/json", "debian/tracker.json", dated=True),
            Feed(f"{_LISTS}/DSA/list", "debian/DSA.list", 64 * 2**20, optional=True),
            Feed(f"{_LISTS}/DLA/list", "debian/DLA.list", 64 * 2**20, optional=True),
        ]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements from the tracker, notices from the lists."""
        with reading(self.name, file):
            yield from _notices(file) if feed.path.endswith(".list") else _statements(file)


SOURCE = _Debian()


def _statements(file: Path) -> Iterator[Statement]:
    with opened(file) as stream:
        for package, vulnerabilities in members(stream):
            for vulnerability, told in expect(vulnerabilities, dict, package).items():
                for codename, state in (told["releases"] or {}).items():
                    if codename in _RELEASE:
                        yield _statement(_RELEASE[codename], package, vulnerability, state)


def _statement(release: str, package: str, vulnerability: str, state: Mapping[str, Any]) -> Statement:
    urgency = (state.get("urgency") or "").rstrip("*")
    status, fixed = state["status"], state.get("fixed_version")
    if status == "resolved":
        if not isinstance(fixed, str):
            raise ValueError(f"{package} {vulnerability} is resolved in {release} by no version")
        verdict = "not_affected" if fixed == "0" else "fixed"
    elif status in ("open", "undetermined"):
        verdict = "affected" if status == "open" else "under_investigation"
    else:
        raise ValueError(f"{package} {vulnerability} has the status {status!r} in {release}")
    return Statement(
        release,
        package,
        "source",
        vulnerability,
        verdict,
        fixed=fixed if verdict == "fixed" else None,
        severity=_URGENCY.get(urgency),
        deferred=_deferred(urgency, state) if verdict in ("affected", "under_investigation") else None,
    )


def _deferred(urgency: str, state: Mapping[str, Any]) -> str | None:
    """`unimportant` and `end-of-life` are urgencies; that no DSA is planned is said apart, with a sentence."""
    if urgency in ("unimportant", "end-of-life"):
        return urgency
    if "nodsa" not in state and "nodsa_reason" not in state:
        return None
    reason = state.get("nodsa_reason") or "no-dsa"
    return f"{reason}: {state['nodsa']}" if state.get("nodsa") else str(reason)


def _notices(file: Path) -> Iterator[Notice]:
    """`[27 Jan 2026] DSA-6113-1 openssl - security update`, then indented `{CVE-… …}`, `[codename] - source fixed`."""
    advisory, published = "", ""
    vulnerabilities: tuple[str, ...] = ()
    known = False
    with opened(file) as stream:
        for raw in stream:
            line = raw.decode()
            if not line.strip():
                continue
            if not line[0].isspace():
                head = _HEAD.match(line)
                # A correction of the list itself has no id; what follows it belongs to nothing.
                advisory, vulnerabilities = (head["advisory"], ()) if head else ("", ())
                published = _midnight(head) if head else ""
                known = known or bool(head)
            elif line.lstrip().startswith("{"):
                vulnerabilities = tuple(cves(line))
            elif advisory and (fix := _FIX.match(line)) and fix["codename"] in _RELEASE:
                release = _RELEASE[fix["codename"]]
                version = None if fix["fixed"].startswith("<") else fix["fixed"]  # <unfixed>, <not-affected>
                yield Notice(advisory, published, release, fix["package"], version, vulnerabilities)
    if not known:
        raise ValueError("it has no line of an advisory")


def _midnight(head: re.Match[str]) -> str:
    month = _MONTHS.index(head["month"]) + 1
    return times.iso(datetime(int(head["year"]), month, int(head["day"]), tzinfo=timezone.utc))
