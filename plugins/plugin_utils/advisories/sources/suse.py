# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SUSE's CVRF for what each notice fixed and when, and its CSAF VEX for what is affected, unfixed or not affected.

Formats: https://docs.oasis-open.org/csaf/csaf-cvrf/v1.2/csaf-cvrf-v1.2.html and
https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html, as https://www.suse.com/support/security/ publishes them.
Both name binary packages, without epochs (SUSE's packages have none), and products by name: SLES with its modules is
one release. Fixes in LTSS alone need that subscription; ESPOS, HPC, Micro, Manager and images are passed over, and so
is the long list of what is not affected: nothing is said of it instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..compressed import documents
from ..model import Edition, Feed, Row, Statement
from ._csaf import SEVERITIES, Products, cvss_of, severity_of
from ._reading import expect, reading, when

_BASE = "https://ftp.suse.com/pub/projects/security/"
_CVRF, _VEX = "suse/cvrf1.2.tar.bz2", "suse/csaf-vex.tar.bz2"
_SLES = re.compile(
    r"SUSE Linux Enterprise (?:Server|Module for (?!.*(?:Live Patching|High Performance|HPC)).+?) "
    r"(?P<major>\d+)(?:\.(?P<minor>\d+)| SP(?P<sp>\d+))(?P<ltss>[- ]LTSS)?(?:[- ](?:TERADATA|GA))?"
)
_LEAP = re.compile(r"openSUSE Leap (?P<version>\d+\.\d+)")
_NAMED = re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)")
_VULN = "{http://docs.oasis-open.org/csaf/ns/csaf-cvrf/v1.2/vuln}"
_CVRF_DOC = "{http://docs.oasis-open.org/csaf/ns/csaf-cvrf/v1.2/cvrf}"
# A DTD could define entities that grow without bounds; CVRF has none.
_DTD = re.compile(rb"<!(DOCTYPE|ENTITY)")
_STATUSES = {
    "known_affected": "affected",
    "under_investigation": "under_investigation",
}
_UNDECIDED = {"", "affected", "none available"}


class _Suse:
    name = "suse"
    title = "SUSE CVRF and CSAF VEX"
    os_ids = ("sles", "sles_sap", "opensuse-leap")
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """Two archives speak of every release."""
        return [
            Feed(_BASE + "cvrf1.2.tar.bz2", _CVRF, dated=True),
            Feed(_BASE + "csaf-vex.tar.bz2", _VEX, dated=True),
        ]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements of each document of an archive; a single document (.xml or .json) will do, too."""
        newest = ""
        with reading(self.name, file):
            for name, content in _documents(feed, file):
                with reading(self.name, file / name if name else file):
                    of_one = vex_statements if name.endswith(".json") or content[:1] == b"{" else cvrf_statements
                    for row in of_one(content):
                        if isinstance(row, Edition):
                            newest = max(newest, row.generated_at)
                        else:
                            yield row
            if not newest:
                raise ValueError("it holds no document")
        yield Edition(newest)


SOURCE = _Suse()


def _documents(feed: Feed, file: Path) -> Iterator[tuple[str, bytes]]:
    if file.suffix in (".xml", ".json"):
        yield "", file.read_bytes()
        return
    yield from documents(file, ".json" if "vex" in feed.path else ".xml")


def release_of(product: str) -> tuple[str, bool] | None:
    """(`sles:15.6`, whether only with LTSS) of a product's name; None for those that are passed over."""
    leap = _LEAP.fullmatch(product)
    if leap:
        return f"opensuse-leap:{leap['version']}", False
    match = _SLES.fullmatch(product)
    if not match:
        return None
    return f"sles:{match['major']}.{match['minor'] or match['sp']}", bool(match["ltss"])


def cvrf_statements(content: bytes) -> Iterator[Statement | Edition]:
    """The fixes of one CVRF notice, and its date. ValueError where it is none."""
    if _DTD.search(content):
        raise ValueError("it has a document type of its own")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ValueError(str(error))
    tracking = root.find(_CVRF_DOC + "DocumentTracking")
    if tracking is None:
        raise ValueError("it is no CVRF document")
    advisory = _text(tracking, f"{_CVRF_DOC}Identification/{_CVRF_DOC}ID")
    released = when(_text(tracking, _CVRF_DOC + "InitialReleaseDate"))
    yield Edition(when(_text(tracking, _CVRF_DOC + "CurrentReleaseDate")))
    for vulnerability in root.iter(_VULN + "Vulnerability"):
        cve = vulnerability.findtext(_VULN + "CVE")
        if not cve:
            continue
        severity = SEVERITIES.get((vulnerability.findtext(f".//{_VULN}Threat/{_VULN}Description") or "").lower())
        score = vulnerability.findtext(f".//{_VULN}BaseScoreV3")
        for (release, package), (version, ltss) in _fixed(vulnerability).items():
            yield Statement(
                release,
                package,
                "binary",
                cve.strip(),
                "fixed",
                fixed=version,
                advisory=advisory,
                advisory_published=released,
                severity=severity,
                cvss=float(score) if score else None,
                subscription="ltss" if ltss else None,
            )


def _fixed(vulnerability: ElementTree.Element) -> dict[tuple[str, str], tuple[str, bool]]:
    """(version, only with LTSS) by release and package; where everybody gets it, that counts."""
    found: dict[tuple[str, str], tuple[str, bool]] = {}
    for status in vulnerability.iter(_VULN + "Status"):
        if status.get("Type") != "Fixed":
            continue
        for product in status.iter(_VULN + "ProductID"):
            platform, _colon, named = (product.text or "").partition(":")
            where, match = release_of(platform), _NAMED.fullmatch(named)
            if where and match:
                key = (where[0], match["name"])
                if key not in found or (found[key][1] and not where[1]):
                    found[key] = (match["version"], where[1])
    return found


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if not found:
        raise ValueError(f"it has no {path.rpartition('}')[2]}")
    return found.strip()


def vex_statements(content: bytes) -> Iterator[Statement | Edition]:
    """What one VEX document says of what is not fixed, and its date: fixes are the notices' part."""
    document: Mapping[str, Any] = expect(json.loads(content), dict, "the document")
    tracking = document["document"]["tracking"]
    yield Edition(when(tracking["current_release_date"]))
    products = Products(document)
    for vulnerability in document.get("vulnerabilities") or ():
        if "cve" not in vulnerability:
            continue
        published = when(vulnerability.get("release_date") or tracking["initial_release_date"])
        reasons = _reasons(vulnerability)
        for (release, package), (status, product) in _said(vulnerability, products).items():
            yield Statement(
                release,
                package,
                "binary",
                vulnerability["cve"],
                status,
                severity=severity_of(vulnerability, document, product),
                cvss=cvss_of(vulnerability, product),
                published=published,
                deferred=reasons.get(product) if status == "affected" else None,
            )


def _said(vulnerability: Mapping[str, Any], products: Products) -> dict[tuple[str, str], tuple[str, str]]:
    """(status, product) by release and package, where no fix is listed; LTSS alone does not count."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    listed = vulnerability.get("product_status") or {}
    fixed = {_place(products, product) for name in ("recommended", "fixed") for product in listed.get(name) or ()}
    for name, status in _STATUSES.items():
        for product in listed.get(name) or ():
            place = _place(products, product)
            if place and place not in fixed:
                found.setdefault(place, (status, product))
    return found


def _place(products: Products, product: str) -> tuple[str, str] | None:
    platform, components = products.platform(product)
    where = release_of(platform)
    if not where or where[1] or not components:
        return None
    name = components[0].id
    versioned = _NAMED.fullmatch(name)
    # Without a version a name may hold dashes of its own: only what begins with a digit is a version.
    if versioned and versioned["version"][0].isdigit() and versioned["version"].rpartition("-")[2][:1].isdigit():
        name = versioned["name"]
    return where[0], name


def _reasons(vulnerability: Mapping[str, Any]) -> dict[str, str]:
    """By product: why it is not to be fixed soon."""
    found: dict[str, str] = {}
    for each in vulnerability.get("remediations") or ():
        if each["category"] in ("no_fix_planned", "none_available"):
            said = (each.get("details") or "").strip().lower()
            if each["category"] == "no_fix_planned":
                said = said or "will not fix"
            if said not in _UNDECIDED:
                found.update((product, said) for product in each.get("product_ids") or ())
    return found
