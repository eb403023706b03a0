# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ubuntu's OSV archive: a record a CVE for what is affected and fixed, a record a notice (USN) for when fixes came.

Format: https://documentation.ubuntu.com/security/security-updates/osv/ and https://ossf.github.io/osv-schema/. Where a
record does not name a package, it is not affected or was not looked at: the archive cannot say which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..compressed import documents
from ..cvss import base_score
from ..model import SEVERITIES, Edition, Feed, Notice, Row, Statement
from ._reading import cves, reading, when

# Of the ecosystems, the archive that everybody has and plain Ubuntu Pro (ESM). FIPS, Realtime and BlueField rebuild
# packages under the same names: what is said of those is not true of anybody else's.
_ECOSYSTEM = re.compile(r"Ubuntu:(?P<pro>Pro:)?(?P<version>\d+\.\d+)(?::LTS)?")
_OFFER = re.compile(r"[?&]distro=(?P<distro>[^&]+)")


class _Ubuntu:
    name = "ubuntu"
    title = "Ubuntu OSV notices"
    os_ids = ("ubuntu",)
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One archive speaks of every release."""
        return [Feed("https://security-metadata.canonical.com/osv/osv-all.tar.xz", "ubuntu/osv-all.tar.xz")]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements from the records of CVEs, notices from those of USNs; livepatches bring no package."""
        newest = ""
        with reading(self.name, file):
            for name, content in documents(file):
                with reading(self.name, file / name):
                    record = json.loads(content)
                    newest = max(newest, when(record["modified"]))
                    if record.get("withdrawn"):
                        continue
                    if record["id"].startswith("UBUNTU-CVE-"):
                        yield from _statements(record)
                    elif record["id"].startswith("USN-"):
                        yield from _notices(record)
            if not newest:
                raise ValueError("it holds no record")
        yield Edition(newest)


SOURCE = _Ubuntu()


def _statements(record: Mapping[str, Any]) -> Iterator[Statement]:
    vulnerability = record["id"].removeprefix("UBUNTU-")
    published = when(record["published"])
    for release, package, affected, is_pro in _affected(record):
        fixed = _fixed(affected)
        severity, cvss = _rating(record, affected)
        yield Statement(
            release,
            package,
            "source",
            vulnerability,
            "fixed" if fixed else "affected",
            fixed=fixed,
            severity="low" if severity == "negligible" else severity,
            cvss=cvss,
            published=published,
            deferred="negligible" if severity == "negligible" and not fixed else None,
            subscription=_offer(affected) if is_pro and fixed else None,
        )


def _notices(record: Mapping[str, Any]) -> Iterator[Notice]:
    # The key has moved over the versions of the schema.
    named = [*(record.get("upstream") or ()), *(record.get("related") or ()), *(record.get("aliases") or ())]
    vulnerabilities = tuple(dict.fromkeys(cves(" ".join(named))))
    published = when(record["published"])
    for release, package, affected, _is_pro in _affected(record):
        yield Notice(record["id"], published, release, package, _fixed(affected), vulnerabilities)


def _affected(record: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], bool]]:
    """(release, source package, entry, whether it is one of Ubuntu Pro); where both speak, the one for everybody."""
    found: dict[tuple[str, str], tuple[Mapping[str, Any], bool]] = {}
    for entry in record.get("affected") or ():
        match = _ECOSYSTEM.fullmatch(entry["package"]["ecosystem"])
        if match:
            key = (f"ubuntu:{match['version']}", entry["package"]["name"])
            if key not in found or found[key][1]:
                found[key] = (entry, bool(match["pro"]))
    for (release, package), (entry, is_pro) in found.items():
        yield release, package, entry, is_pro


def _fixed(affected: Mapping[str, Any]) -> str | None:
    events = [event for each in affected.get("ranges") or () for event in each["events"]]
    return next((event["fixed"] for event in reversed(events) if "fixed" in event), None)


def _rating(record: Mapping[str, Any], affected: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """Ubuntu's own priority (a severity in newer records, beside the package in older ones), and the CVSS score."""
    said = [*(affected.get("severity") or ()), *(record.get("severity") or ())]
    own = [each["score"] for each in said if each["type"] == "Ubuntu"]
    priority = own[0] if own else (affected.get("ecosystem_specific") or {}).get("ubuntu_priority")
    scores = [score for each in said if each["type"] == "CVSS_V3" and (score := base_score(each["score"])) is not None]
    return priority if priority in (*SEVERITIES, "negligible") else None, scores[0] if scores else None


def _offer(affected: Mapping[str, Any]) -> str:
    """`esm-apps`, `esm-infra`, …: the purl's `distro=esm-apps/jammy`, once `trusty/esm`."""
    match = _OFFER.search(affected["package"].get("purl") or "")
    parts = re.split(r"/|%2F", match["distro"]) if match else []
    return next((part for part in parts if part.startswith("esm-")), "pro")
