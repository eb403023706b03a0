# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The advisory sources: a line a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .model import Source
from .sources import alma, alpine, debian, epss, kev, redhat, rocky, suse, ubuntu

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        debian.SOURCE,
        ubuntu.SOURCE,
        alpine.SOURCE,
        redhat.SOURCE,
        alma.SOURCE,
        rocky.SOURCE,
        suse.SOURCE,
        kev.SOURCE,
        epss.SOURCE,
    )
}


def named(names: Sequence[str]) -> list[Source]:
    """The sources of these names. Raises UpkeepError `no_such_source`."""
    for name in names:
        if name not in SOURCES:
            raise UpkeepError(
                "no_such_source", f"advisories_sources: there is no {name}; there are {', '.join(SOURCES)}."
            )
    return [SOURCES[name] for name in dict.fromkeys(names)]


def speaking_of(os_ids: set[str]) -> list[Source]:
    """The sources of these distributions, and those that speak of vulnerabilities wherever they are."""
    return [source for source in SOURCES.values() if not source.os_ids or os_ids & set(source.os_ids)]
