# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the index says of a host to findings (source `advisory`). Pure.

Fixable: a finding for each advisory (else fixing version) and source package. Unfixed: one for each vulnerability and
source package. Deferred ones are counted apart, with the vendor's reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import findings
from . import kernel, releases, severity
from .host import Affected, HostMatch
from .match import Vulnerability, reaches
from .remedy import remedy

SOURCE = "advisory"
_OWNER = "security_lead"
_TITLED = 2  # so many CVEs stand in a title


def of_match(level: Mapping[str, Any], match: HostMatch, project: str, asset: str, seen: str) -> list[dict[str, Any]]:
    """The findings of a host, the worst first."""
    if match.release is None:
        return []
    of = findings.Of(project, asset, seen, SOURCE)
    found = [
        *_fixable(level, match.release, match.affected, of),
        *_unfixed(match.release, match.affected, of),
    ]
    return sorted(found, key=lambda each: (severity.rank(each["severity"]), each["subject"], each["check_id"]))


def deferred(match: HostMatch) -> list[dict[str, Any]]:
    """What the vendor does not fix soon: `{reason, package, cves, kev}`, with those of them that are exploited."""
    found: dict[tuple[str, str], set[str]] = {}
    exploited: dict[tuple[str, str], set[str]] = {}
    for affected, vulnerability in _each(match.affected, "deferred"):
        # The vendor's sentence after the colon is of this one alone.
        key = (str(vulnerability.deferred).partition(":")[0], affected.source)
        found.setdefault(key, set()).add(vulnerability.id)
        if vulnerability.kev:
            exploited.setdefault(key, set()).add(vulnerability.id)
    return [
        {"reason": key[0], "package": key[1], "cves": sorted(ids), "kev": sorted(exploited.get(key, ()))}
        for key, ids in sorted(found.items())
    ]


def fix_id(vulnerability: Vulnerability) -> str:
    """The check_id of what fixes it."""
    return vulnerability.advisory or f"fixed:{vulnerability.fixed}"


def enriched(found: Iterable[Mapping[str, Any]], level: Mapping[str, Any], match: HostMatch) -> list[dict[str, Any]]:
    """The findings of a patch level: a pending security update says which CVEs it fixes, and how severe they are."""
    return [
        _with_cves(finding, level, match) if finding["check_id"] == "pending_security" else dict(finding)
        for finding in found
    ]


def _fixable(
    level: Mapping[str, Any], release: str, affected: Iterable[Affected], of: findings.Of
) -> Iterable[dict[str, Any]]:
    grouped: dict[tuple[str, str], list[tuple[Affected, Vulnerability]]] = {}
    for each, vulnerability in _each(affected, "fixable"):
        grouped.setdefault((fix_id(vulnerability), each.source), []).append((each, vulnerability))
    for (check_id, source), pairs in grouped.items():
        family = releases.family(release)
        newest = kernel.newest(family, (str(one.fixed) for each, one in pairs))
        # The one whose fix comes last decides whether all of them are fixed.
        pairs.sort(key=lambda pair: (pair[1].fixed != newest, pair[1].id))
        package, fixes = pairs[0][0], list({one.id: one for each, one in pairs}.values())
        package = package._replace(binaries=tuple(sorted({name for each, one in pairs for name in each.binaries})))
        way = remedy(level, release, package, fixes)
        level_of, said_by = severity.worst((one.severity, one.severity_source) for one in fixes)
        yield findings.finding(
            of,
            check_id,
            source,
            f"{source}: {fixes[0].advisory or f'version {newest}'} fixes {_named(fixes)}",
            [
                {
                    "installed": package.version, "packages": list(package.binaries), "module": package.module,
                    "fixed": newest, "advisory": fixes[0].advisory, "advisory_published": fixes[0].advisory_published,
                    "subscription": fixes[0].subscription, **way._asdict(), "cves": _facts(fixes),
                }
            ],
            _OWNER,
            level_of,
            said_by,
            kind="fixable",
            release=release,
        )  # fmt: skip


def _unfixed(release: str, affected: Iterable[Affected], of: findings.Of) -> Iterable[dict[str, Any]]:
    grouped: dict[tuple[str, str], list[tuple[Affected, Vulnerability]]] = {}
    for each, vulnerability in _each(affected, "unfixed"):
        grouped.setdefault((vulnerability.id, each.source), []).append((each, vulnerability))
    for (check_id, source), pairs in grouped.items():
        package, vulnerability = pairs[0]
        names = sorted({name for each, one in pairs for name in each.binaries})
        yield findings.finding(
            of,
            check_id,
            source,
            f"{source}: {check_id} has no fix yet",
            [{"installed": package.version, "packages": names, "cves": _facts([vulnerability])}],
            _OWNER,
            vulnerability.severity,
            vulnerability.severity_source,
            kind="unfixed",
            release=release,
        )


def _each(affected: Iterable[Affected], state: str) -> Iterable[tuple[Affected, Vulnerability]]:
    return ((each, one) for each in affected for one in each.vulnerabilities if one.state == state)


def _facts(vulnerabilities: Iterable[Vulnerability]) -> list[dict[str, Any]]:
    ordered = list(vulnerabilities)
    if len(ordered) > 1:
        ordered.sort(key=lambda one: (severity.rank(one.severity), -(one.epss or 0), one.id))
    return [
        {
            "id": one.id, "severity": one.severity, "severity_source": one.severity_source, "cvss": one.cvss,
            "kev": one.kev, "epss": one.epss, "published": one.published,
        }
        for one in ordered
    ]  # fmt: skip


def _named(fixes: Sequence[Vulnerability]) -> str:
    names = [each["id"] for each in _facts(fixes)]
    more = len(names) - _TITLED
    return ", ".join(names[:_TITLED]) + (f" and {more} more" if more > 0 else "")


def fixed_by(match: HostMatch, source: str, updates: Iterable[Mapping[str, Any]]) -> list[Vulnerability]:
    """What these pending updates of one source package fix of what the host has, by the index."""
    if match.release is None:
        return []
    family = releases.family(match.release)
    name = kernel.source_of(family, source) or source
    of_kernel = name != source or kernel.source_of(family, name) is not None
    offered = kernel.newest(
        family,
        (str((None if of_kernel else each.get("source_version")) or each.get("candidate")) for each in updates),
    )
    return [
        one
        for each, one in _each(match.affected, "fixable")
        if each.source == name and offered is not None and reaches(family, offered, str(one.fixed))
    ]


def _with_cves(finding: Mapping[str, Any], level: Mapping[str, Any], match: HostMatch) -> dict[str, Any]:
    if match.release is None:
        return dict(finding)
    evidence = {(each.get("name"), each.get("arch")) for each in finding["evidence"]}
    updates = [each for each in level.get("pending") or [] if (each.get("name"), each.get("arch")) in evidence]
    fixes = fixed_by(match, finding["subject"], updates)
    said = (finding["severity"], finding["severity_source"])
    level_of, said_by = severity.worst([said, *((one.severity, one.severity_source) for one in fixes)])
    return {**finding, "severity": level_of, "severity_source": said_by, "cves": _facts(fixes)}
