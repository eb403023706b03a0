# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Red Hat's CSAF VEX: a document a CVE, with what is fixed, what is affected and stays so and why, and what is not.

Format: https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html and
https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/. Read are the products of RHEL itself and,
where only that has a fix, Extended Life Cycle Support (ELS). The streams that stay on a minor release (EUS, AUS, E4S,
TUS) have versions of their own under the same package names, wrong for everybody else: they are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from .. import versions
from ..compressed import documents
from ..model import Edition, Feed, Row, Statement
from ._csaf import Component, Products, cvss_of, severity_of
from ._reading import expect, reading, when

_BASE = "https://security.access.redhat.com/data/csaf/v2/vex/"
_RHEL = re.compile(r"cpe:/[ao]:redhat:(enterprise_linux|rhel_els):(\d+)(?:\D.*)?")
_NEVRA = re.compile(r"(?P<name>.+)-(?P<epoch>\d+):(?P<version>[^-:]+-[^-:]+)\.(?P<arch>[^.]+)")
_IN_MODULE = re.compile(r"(?P<module>[^/:]+:[^/:]+)/(?P<name>[^/:]+)")
# Debug packages are built along; nobody is vulnerable by them.
_DEBUG = re.compile(r"-debug(info|source)(-|$)")
_STATUSES = {
    "fixed": "fixed",
    "known_affected": "affected",
    "under_investigation": "under_investigation",
    "known_not_affected": "not_affected",
}
# The details of remediations that are no word about putting it off.
_UNDECIDED = {"affected", "none available"}


class _Key(NamedTuple):
    release: str
    package: str
    kind: str
    module: str | None


@dataclass(frozen=True)
class _Said:
    """What one product's entry says; `product` finds its remediations and ratings."""

    status: str
    product: str
    fixed: str | None = None
    els: bool = False


class _RedHat:
    name = "redhat"
    title = "Red Hat CSAF VEX"
    os_ids = ("rhel",)
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One archive speaks of every release."""
        return [Feed(_BASE, "redhat/csaf_vex.tar.zst", pointer=_BASE + "archive_latest.txt")]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements of each document of the archive; a single document (.json) will do, too."""
        newest = ""
        with reading(self.name, file):
            single = file.suffix == ".json"
            for name, content in [(file.name, file.read_bytes())] if single else documents(file):
                with reading(self.name, file if single else file / name):
                    document = expect(json.loads(content), dict, "the document")
                    newest = max(newest, when(document["document"]["tracking"]["current_release_date"]))
                    yield from statements(document)
            if not newest:
                raise ValueError("it holds no document")
        yield Edition(newest)


SOURCE = _RedHat()


def statements(document: Mapping[str, Any]) -> Iterator[Statement]:
    """The statements of one VEX document. KeyError, TypeError, ValueError where it is none."""
    products = Products(document)
    for vulnerability in document.get("vulnerabilities") or ():
        if "cve" in vulnerability:
            yield from _of_one(vulnerability, products, document)


def _of_one(vulnerability: Mapping[str, Any], products: Products, document: Mapping[str, Any]) -> Iterator[Statement]:
    fixes, reasons = _remediations(vulnerability)
    published = vulnerability.get("release_date") or vulnerability.get("discovery_date")
    for key, said in _chosen(vulnerability, products).items():
        advisory, advised = fixes.get(said.product, (None, None))
        yield Statement(
            *key[:3],
            vulnerability["cve"],
            said.status,
            fixed=said.fixed,
            advisory=advisory if said.status == "fixed" else None,
            advisory_published=advised if said.status == "fixed" else None,
            severity=severity_of(vulnerability, document, said.product),
            cvss=cvss_of(vulnerability, said.product),
            published=when(published) if published else None,
            deferred=reasons.get(said.product) if said.status == "affected" else None,
            module=key.module,
            subscription="els" if said.els and said.status == "fixed" else None,
        )


def _chosen(vulnerability: Mapping[str, Any], products: Products) -> dict[_Key, _Said]:
    """One word for each package: RHEL's own fix before ELS's, any fix before none, the later of two versions."""
    found: dict[_Key, _Said] = {}
    sources = _with_sources(vulnerability, products)
    for listed, status in _STATUSES.items():
        for product in (vulnerability.get("product_status") or {}).get(listed) or ():
            platform, components = products.resolve(product)
            match = _RHEL.fullmatch(platform)
            if not match or not components:
                continue
            release, els = f"rhel:{match.group(2)}", match.group(1) == "rhel_els"
            package = _package(components)
            # Where a listing names source packages, its binaries say nothing more.
            if package is None or (package.arch != "src" and (listed, release) in sources):
                continue
            if _DEBUG.search(package.name) or (status == "fixed" and not package.version):
                continue
            kind = "source" if package.arch == "src" or not package.version else "binary"
            said = _Said(status, product, package.version if status == "fixed" else None, els)
            key = _Key(release, package.name, kind, package.module)
            if key not in found or _better(said, found[key]):
                found[key] = said
    return found


def _with_sources(vulnerability: Mapping[str, Any], products: Products) -> set[tuple[str, str]]:
    """(status, release) of the listings that name source packages."""
    found = set()
    for listed in _STATUSES:
        for product in (vulnerability.get("product_status") or {}).get(listed) or ():
            platform, components = products.resolve(product)
            match = _RHEL.fullmatch(platform)
            package = _package(components) if match and components else None
            if match and package and package.arch == "src":
                found.add((listed, f"rhel:{match.group(2)}"))
    return found


def _better(new: _Said, old: _Said) -> bool:
    if (new.status == "fixed") != (old.status == "fixed"):
        return new.status == "fixed"
    if new.status != "fixed" or new.els != old.els:
        return old.els and not new.els
    # Two errata for one CVE: only with the later one is it fixed for good.
    return new.fixed != old.fixed and versions.newer("rpm", new.fixed or "", old.fixed or "")


class _Package(NamedTuple):
    name: str
    version: str | None
    arch: str
    module: str | None


def _package(components: list[Component]) -> _Package | None:
    """The rpm among what a product is made of, and the module stream that it comes in."""
    module: str | None = None
    rpm: tuple[str, str | None, str] | None = None
    for component in components:
        kind, name, version, arch = _purl(component.purl)
        if kind == "rpmmod":
            module = f"{name}:{version.split(':')[0]}" if version else module
            continue
        module = _qualified_module(component.purl) or module
        nevra = _NEVRA.fullmatch(component.id)
        inside = _IN_MODULE.fullmatch(component.id)
        if inside:
            module, rpm = inside["module"], (inside["name"], None, "src")
        elif nevra:
            rpm = (nevra["name"], f"{nevra['epoch']}:{nevra['version']}", nevra["arch"])
        elif kind == "rpm" and name:
            rpm = (name, version or None, arch)
    return _Package(*rpm, module) if rpm else None


def _purl(text: str) -> tuple[str, str, str, str]:
    """(type, name, version with epoch, arch) of `pkg:rpm/redhat/bash@5.1-2.el9?arch=src&epoch=1`."""
    path, _mark, query = text.partition("?")
    kind, _slash, rest = path.removeprefix("pkg:").partition("/")
    name, _at, version = rest.rpartition("/")[2].partition("@")
    qualifiers = _qualifiers(query)
    epoch = qualifiers.get("epoch", "")
    version = unquote(version)
    return kind, unquote(name), f"{epoch}:{version}" if epoch and version else version, qualifiers.get("arch", "")


def _qualifiers(query: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in query.partition("#")[0].split("&"))
    return {name: unquote(value) for name, _equals, value in pairs}


def _qualified_module(purl: str) -> str | None:
    """`nodejs:18` of `…?rpmmod=nodejs:18:8090020231023:a75119d5`."""
    parts = _qualifiers(purl.partition("?")[2]).get("rpmmod", "").split(":")
    return ":".join(parts[:2]) if len(parts) >= 2 else None


def _remediations(
    vulnerability: Mapping[str, Any],
) -> tuple[dict[str, tuple[str, str | None]], dict[str, str]]:
    """By product: the erratum that fixes it with its date, and why it is not to be fixed soon."""
    fixes: dict[str, tuple[str, str | None]] = {}
    reasons: dict[str, str] = {}
    for each in vulnerability.get("remediations") or ():
        named = each.get("product_ids") or ()
        if each["category"] == "vendor_fix":
            erratum = (each.get("url") or "").rstrip("/").rpartition("/")[2]
            date = when(each["date"]) if each.get("date") else None
            fixes.update((product, (erratum, date)) for product in named if erratum)
        elif each["category"] in ("no_fix_planned", "none_available"):
            said = (each.get("details") or "").strip().lower()
            if said not in _UNDECIDED:
                reasons.update((product, said or "will not fix") for product in named)
    return fixes, reasons
