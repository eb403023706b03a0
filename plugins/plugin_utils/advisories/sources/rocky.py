# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rocky Linux's errata as OSV records, which Apollo makes: what each brought. What is not fixed yet they do not say.

Format: https://ossf.github.io/osv-schema/, by source package, one file an erratum in `all.zip`. A record has no field
for the module stream: it stands in the summary. Those of special interest groups (RXSA: cloud kernels) are passed over:
they rebuild packages under the same names.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cvss import base_score
from ..model import Edition, Feed, Row, Statement
from ._csaf import SEVERITIES
from ._reading import cves, expect, reading, when

_ECOSYSTEM = re.compile(r"Rocky Linux:(\d+)(?:\.\d+)?")
_SUMMARY = re.compile(r"(?P<severity>[A-Z][a-z]+): ")
_STREAM = re.compile(r"(?<![\w:])([A-Za-z][\w.+-]*:[\w.+-]*\w)(?![\w:])")
_MODULAR = ".module+el"
_LIMIT = 16 * 2**20  # bytes of one record


class _Rocky:
    name = "rocky"
    title = "Rocky Linux errata (OSV)"
    os_ids = ("rocky",)
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One archive speaks of every release."""
        url = "https://storage.googleapis.com/osv-vulnerabilities/Rocky%20Linux/all.zip"
        return [Feed(url, "rocky/osv-all.zip", dated=True)]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Statements of each record of the archive; a single record (.json) will do, too."""
        newest = ""
        with reading(self.name, file):
            for name, content in _records(file):
                with reading(self.name, file / name if name else file):
                    record = expect(json.loads(content), dict, "the record")
                    newest = max(newest, when(record["modified"]))
                    if not record.get("withdrawn"):
                        yield from _statements(record)
            if not newest:
                raise ValueError("it holds no record")
        yield Edition(newest)


SOURCE = _Rocky()


def _records(file: Path) -> Iterator[tuple[str, bytes]]:
    if file.suffix == ".json":
        yield "", file.read_bytes()
        return
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".json"):
                    if member.file_size > _LIMIT:
                        raise ValueError(f"{member.filename} has {member.file_size} bytes")
                    yield member.filename, archive.read(member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # encrypted, or packed in some other way
        raise ValueError(str(error))


def _statements(record: Mapping[str, Any]) -> Iterator[Statement]:
    named = [*(record.get("related") or ()), *(record.get("aliases") or ()), *(record.get("upstream") or ())]
    summary = str(record.get("summary") or "")
    rated = _SUMMARY.match(summary)
    severity = SEVERITIES.get(rated["severity"].lower()) if rated else None
    stream = _STREAM.search(summary[rated.end() :] if rated else summary)
    scores = [base_score(each["score"]) for each in record.get("severity") or () if each["type"] == "CVSS_V3"]
    published = when(record["published"])
    for release, package, fixed in dict.fromkeys(_fixes(record)):
        for vulnerability in dict.fromkeys(cves(" ".join(named))) or [record["id"]]:
            yield Statement(
                release,
                package,
                "source",
                vulnerability,
                "fixed",
                fixed=fixed,
                advisory=record["id"],
                advisory_published=published,
                severity=severity,
                cvss=scores[0] if scores else None,
                module=stream.group(1) if stream and _MODULAR in fixed else None,
            )


def _fixes(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(release, source package, fixed version)."""
    for affected in record.get("affected") or ():
        package = affected["package"]
        match = _ECOSYSTEM.fullmatch(package["ecosystem"])
        if not match or "-sig-" in (package.get("purl") or ""):
            continue
        for each in affected.get("ranges") or ():
            for event in each["events"]:
                if "fixed" in event:
                    yield f"rocky:{match.group(1)}", package["name"], expect(event["fixed"], str, "a fixed version")
