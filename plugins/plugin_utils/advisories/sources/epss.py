# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""FIRST's EPSS: how probable it is that a vulnerability will be exploited within 30 days.

Format: https://www.first.org/epss/data_stats: a line `#model_version:…,score_date:…`, then CSV `cve,epss,percentile`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ..compressed import opened
from ..model import Edition, Feed, Row, Score
from ._reading import cves, reading, when

_URL = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"


class _Epss:
    name = "epss"
    title = "FIRST EPSS scores"
    os_ids: tuple[str, ...] = ()
    max_age = 3 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """One file."""
        return [Feed(_URL, "epss/epss_scores-current.csv.gz", 64 * 2**20)]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """A score a line."""
        with reading(self.name, file), opened(file) as stream:
            text = io.TextIOWrapper(stream, "utf-8", newline="")
            facts = dict(part.partition(":")[::2] for part in text.readline().lstrip("#").strip().split(","))
            scored = when(facts["score_date"])
            yield Edition(scored)
            for line in csv.DictReader(text):
                score = Score(line["cve"], float(line["epss"]), float(line["percentile"]), scored)
                if cves(score.vulnerability) != [score.vulnerability]:
                    raise ValueError(f"{score.vulnerability!r} is no CVE id")
                if not 0 <= score.epss <= 1 or not 0 <= score.percentile <= 1:
                    raise ValueError(f"{score.vulnerability} has a score of {line['epss']}, {line['percentile']}")
                yield score


SOURCE = _Epss()
