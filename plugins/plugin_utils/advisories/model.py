# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What advisory sources say, in one shape: the rows that a parser yields and the index keeps.

Times are UTC, ISO 8601 with `Z` (a date alone is its midnight). Unknown is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SEVERITIES = ("critical", "high", "medium", "low")
# fixed: from version `fixed` on. affected: every version. not_affected: none (vulnerable code not there).
STATUSES = ("fixed", "affected", "not_affected", "under_investigation")


@dataclass(frozen=True)
class Statement:
    """What a source says of one vulnerability in one package of one release.

    release: `debian:12`, as `releases.key` makes it from a host's os-release.
    kind: `source` or `binary`: which of a host's package names `package` is.
    vulnerability: the CVE id; an id of the source's own where it has none.
    fixed: the first version without it, epoch included, where status is `fixed`.
    advisory, advisory_published: the notice that brought the fix (DSA, USN, RHSA, …) and when.
    severity: one of SEVERITIES as the vendor means it, None where the vendor does not rate it; cvss: a base score.
    published: when the vulnerability became known, where the source says so.
    deferred: why the vendor does not fix it soon, if ever (`no-dsa`, `unimportant`, `ignored`, `will not fix`, …);
        where the vendor gives a sentence, it follows after a colon (`no-dsa: Minor issue`).
    module: `name:stream`, where it is true of that module stream alone; then no other package is meant by it.
    subscription: the offer that one must have to get the fix (`esm-apps`, `els`), None where anybody gets it.
    """

    release: str
    package: str
    kind: str
    vulnerability: str
    status: str
    fixed: str | None = None
    advisory: str | None = None
    advisory_published: str | None = None
    severity: str | None = None
    cvss: float | None = None
    published: str | None = None
    deferred: str | None = None
    module: str | None = None
    subscription: str | None = None


@dataclass(frozen=True)
class Notice:
    """An advisory that stands apart from its statements (Debian's DSA and DLA lists): the index joins the two.

    `fixed` is the version that it brought to `release`; `vulnerabilities` may be empty.
    """

    advisory: str
    published: str
    release: str
    package: str
    fixed: str | None
    vulnerabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exploited:
    """A vulnerability that is known to be exploited (CISA KEV)."""

    vulnerability: str
    added: str
    due: str | None = None
    ransomware: bool = False
    title: str | None = None


@dataclass(frozen=True)
class Score:
    """The probability (0 to 1) that it will be exploited within 30 days, and its rank among all (EPSS)."""

    vulnerability: str
    epss: float
    percentile: float
    scored: str | None = None


@dataclass(frozen=True)
class Edition:
    """When the upstream made the file, where the file itself says so."""

    generated_at: str


Row = Statement | Notice | Exploited | Score | Edition


@dataclass(frozen=True)
class Feed:
    """One file of a source: `path` is its name in the cache and below a mirror, `url` where its upstream has it.

    `limit` is the most bytes that are taken of it (as it lies there: compressed or not).
    `pointer`: the URL of a one-line text file that names the feed's file, where its name changes with each edition
        (`archive_latest.txt`); `url` is then the folder that the name is relative to. A mirror serves `path` as it is.
    `optional`: without it less is known (when fixes came), and nothing false.
    `dated`: the upstream makes it anew at least daily, so that its Last-Modified says when it was made.
    """

    url: str
    path: str
    limit: int = 512 * 2**20
    pointer: str | None = None
    dated: bool = False
    optional: bool = False


class Source(Protocol):
    """One advisory source. `os_ids`: the distributions (os-release ID) that it speaks of; empty: of vulnerabilities.

    `max_age`: the seconds after which what was fetched is stale.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def os_ids(self) -> tuple[str, ...]: ...

    @property
    def max_age(self) -> int: ...

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """The files to fetch for these releases (`debian:12`, …; those of other distributions are passed over).

        Without any: the files that speak of all releases. Raises UpkeepError `releases_needed` where there are none.
        """

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """The rows of a fetched file, as a stream. Raises UpkeepError `feed_damaged` with the source and the place."""
