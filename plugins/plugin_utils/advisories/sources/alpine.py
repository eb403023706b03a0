# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alpine's secdb: the versions that fixed something, for each release and repository.

Format: https://secdb.alpinelinux.org, `{"packages": [{"pkg": {"name", "secfixes": {version: ["CVE-…", …]}}}]}`, where
the version `0` lists what the package never had. What is not fixed yet is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..compressed import opened
from ..model import Feed, Row, Statement
from ._reading import cves, expect, reading, small_json

_BASE = "https://secdb.alpinelinux.org"
_REPOSITORIES = ("main", "community")


class _Alpine:
    name = "alpine"
    title = "Alpine secdb"
    os_ids = ("alpine",)
    max_age = 7 * 86400

    def feeds(self, releases: tuple[str, ...]) -> list[Feed]:
        """Two files a release."""
        wanted = [f"v{release.partition(':')[2]}" for release in releases if release.startswith("alpine:")]
        if not wanted:
            raise UpkeepError(
                "releases_needed",
                "alpine: its files are one set a release, and no release is named or seen in the fleet: "
                "give advisories_releases, such as alpine:3.22.",
            )
        return [
            Feed(f"{_BASE}/{version}/{repository}.json", f"alpine/{version}/{repository}.json", 64 * 2**20)
            for version in wanted
            for repository in _REPOSITORIES
        ]

    def parse(self, feed: Feed, file: Path) -> Iterator[Row]:
        """A statement a vulnerability and fixing version; a package may have several for one vulnerability."""
        with reading(self.name, file):
            with opened(file) as stream:
                document = small_json(stream)
            release = f"alpine:{document['distroversion'].removeprefix('v')}"
            for entry in document["packages"]:
                package = entry["pkg"]
                for fixed, identifiers in (package["secfixes"] or {}).items():
                    for vulnerability in _vulnerabilities(identifiers or []):
                        is_clear = fixed == "0"
                        yield Statement(
                            release,
                            expect(package["name"], str, "a package's name"),
                            "source",
                            vulnerability,
                            "not_affected" if is_clear else "fixed",
                            fixed=None if is_clear else fixed,
                        )


SOURCE = _Alpine()


def _vulnerabilities(identifiers: list[str]) -> Iterator[str]:
    """`CVE-2016-7093 XSA-186` is one vulnerability by its CVE; without one, the first id counts."""
    for text in identifiers:
        if text.strip():
            yield from cves(text) or [text.split()[0]]
