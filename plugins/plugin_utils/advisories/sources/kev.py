# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""CISA's catalogue of known exploited vulnerabilities (KEV).

Format: https://www.cisa.gov/known-exploited-vulnerabilities-catalog, its JSON and the schema beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..compressed import opened
from ..model import Edition, Exploited, Feed, Row
from ._reading import cves, reading, small_json, when

_URL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"


class _Kev:
    name = "kev"
    title = "CISA known exploited vulnerabilities"
    os_ids: tuple[str, ...] = ()
    max_age = 7 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One file."""
        return [Feed(_URL, "kev/known_exploited_vulnerabilities.json", 64 * 2**20)]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """Every entry of the catalogue."""
        with reading(self.name, file):
            with opened(file) as stream:
                catalogue = small_json(stream)
            yield Edition(when(catalogue["dateReleased"]))
            entries = catalogue["vulnerabilities"]
            if catalogue.get("count") not in (None, len(entries)):
                raise ValueError(f"it counts {catalogue['count']} entries and has {len(entries)}")
            for entry in entries:
                if cves(entry["cveID"]) != [entry["cveID"]]:
                    raise ValueError(f"{entry['cveID']!r} is no CVE id")
                yield Exploited(
                    entry["cveID"],
                    when(entry["dateAdded"]),
                    when(entry["dueDate"]) if entry.get("dueDate") else None,
                    entry.get("knownRansomwareCampaignUse") == "Known",
                    entry.get("vulnerabilityName"),
                )


SOURCE = _Kev()
