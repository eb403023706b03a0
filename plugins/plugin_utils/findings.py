# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host's patch level to findings. Pure.

Source `patch`:

| check_id               | subject                     | owner         |
|------------------------|-----------------------------|---------------|
| pending_security       | source package              | security_lead |
| blocked_security       | source package              | ops_lead      |
| pending_updates        | the package manager         | ops_lead      |
| reboot_due             | `host`                      | ops_lead      |
| stale_service          | unit                        | ops_lead      |
| stale_metadata         | the package manager         | ops_lead      |
| no_security_repository | the package manager         | security_lead |
| interrupted            | the package manager         | ops_lead      |
| half_configured        | package                     | ops_lead      |
| boot_full              | `/boot`                     | ops_lead      |
| full_upgrade_removals  | the package manager         | ops_lead      |
| clock_skew             | `host`                      | ops_lead      |
| end_of_life            | `host`                      | security_lead |

Source `advisory` (`advisories.findings`):

| check_id                                    | subject        | owner         |
|---------------------------------------------|----------------|---------------|
| the advisory that brings the fix (DSA, USN, | source package | security_lead |
| RHSA, …); `fixed:<version>` without one     |                |               |
| the vulnerability (CVE) that has no fix     | source package | security_lead |

A finding's memory (first seen, due) is filled in from the host's previous audit (`sla`); waiver and ticket belong to
the ledger and are null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from . import clock

SEVERITIES = ("critical", "high", "medium", "low", "unknown")
_SOURCE = "patch"
_OWNERS = dict.fromkeys(("pending_security", "no_security_repository", "end_of_life"), "security_lead")
_EVIDENCE = ("name", "arch", "installed", "candidate", "origins", "advisories", "cves", "blocked_by", "blocked_detail")


def fingerprint(project: str, source: str, check_id: str, asset: str, subject: str) -> str:
    """sha256 of the JSON array `["v1", project, source, check_id, asset, subject]`, no blanks, ASCII."""
    # As json.dumps writes it, at a fraction of what an encoder a finding costs.
    identity = f"[{','.join(map(encode_basestring_ascii, ('v1', project, source, check_id, asset, subject)))}]"
    return hashlib.sha256(identity.encode("ascii")).hexdigest()


def of_patch_level(
    data: Mapping[str, Any], project: str, asset: str, collected: str, clock_skew_s: int | None = None
) -> list[dict[str, Any]]:
    """The findings of one host's `upkeep.patch_level/1`, in the order of the table above, then by subject."""
    found = [
        *_security(data),
        *_updates(data),
        *_restarts(data),
        *_manager(data),
        *_clock(clock_skew_s),
        *_release(data, collected),
    ]
    return [
        finding(Of(project, asset, collected, _SOURCE), **{"owner": _owner(each["check_id"]), **each}) for each in found
    ]


class Of(NamedTuple):
    """Whose finding it is, who found it (`source`), and when it was seen."""

    project: str
    asset: str
    seen: str
    source: str


def finding(
    of: Of,
    check_id: str,
    subject: str,
    title: str,
    evidence: Sequence[Any],
    owner: str,
    severity: str = "unknown",
    severity_source: str | None = None,
    informational: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """A finding as the contract has it, open and without a memory; `more` fields beside."""
    return {
        "fingerprint": fingerprint(of.project, of.source, check_id, of.asset, subject),
        "source": of.source,
        "check_id": check_id,
        "asset": of.asset,
        "subject": subject,
        "title": title,
        "severity": severity,
        "severity_source": severity_source,
        "informational": informational,
        "state": "open",
        "first_seen": None,
        "last_seen": of.seen,
        "due": None,
        "sla_state": None,
        "owner": owner,
        "waiver": None,
        "ticket": None,
        "evidence": list(evidence),
        **more,
    }


def _owner(check_id: str) -> str:
    return _OWNERS.get(check_id, "ops_lead")


def _security(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    groups = _by_source(data, [package for package in data.get("pending") or [] if package.get("security")])
    for source, packages in groups.items():
        severity, severity_source = _worst_severity(packages)
        yield {
            "check_id": "pending_security",
            "subject": source,
            "title": f"Security update pending: {source} {packages[0].get('candidate')}",
            "severity": severity,
            "severity_source": severity_source,
            "evidence": [_facts(package) for package in packages],
        }
    for source, packages in groups.items():
        blocked = [package for package in packages if package.get("blocked_by")]
        if blocked:
            reasons = ", ".join(sorted({str(package["blocked_by"]) for package in blocked}))
            yield {
                "check_id": "blocked_security",
                "subject": source,
                "title": f"Security update of {source} is blocked: {reasons}",
                "evidence": [_facts(package) for package in blocked],
            }


def _updates(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    others = [package for package in data.get("pending") or [] if not package.get("security")]
    if others:
        yield {
            "check_id": "pending_updates",
            "subject": _manager_name(data),
            "title": f"{len(others)} update{'s' if len(others) > 1 else ''} pending besides security updates",
            "evidence": [
                {"pending": len(others), "blocked": sum(1 for package in others if package.get("blocked_by"))},
            ],
        }


def _restarts(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    reboot = data.get("reboot") or {}
    if reboot.get("required"):
        yield {
            "check_id": "reboot_due",
            "subject": "host",
            "title": "Reboot due",
            "evidence": [*(reboot.get("reasons") or []), {"kernel": data.get("kernel")}],
        }
    for service in data.get("services_stale") or []:
        unit = str(service.get("unit"))
        yield {
            "check_id": "stale_service",
            "subject": unit,
            "title": f"{unit} still runs files that an update replaced",
            "evidence": [service],
        }


def _manager(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    name = _manager_name(data)
    metadata = data.get("metadata") or {}
    health = data.get("health") or {}
    repositories = metadata.get("repositories")
    if metadata.get("stale"):
        yield {
            "check_id": "stale_metadata",
            "subject": name,
            "title": f"Package lists are stale, refreshed {metadata.get('refreshed_at') or 'never'}: more may be due",
            "evidence": [
                *(metadata.get("problems") or []),
                {"refreshed_at": metadata.get("refreshed_at"), "refresh_ok": metadata.get("refresh_ok")},
            ],
        }
    # Some distributions keep security updates apart nowhere: there is no such repository to miss.
    marked = metadata.get("tells_security") is not False
    secured = any(entry.get("security") and entry.get("enabled") for entry in repositories or [])
    if marked and repositories is not None and not secured:
        yield {
            "check_id": "no_security_repository",
            "subject": name,
            "title": "No security repository is enabled: no security update can be seen, which is not the same as none",
            "evidence": [entry.get("id") for entry in repositories],
        }
    if health.get("interrupted"):
        yield {
            "check_id": "interrupted",
            "subject": name,
            "title": f"{name} was interrupted and has to be finished by hand",
            "evidence": [health],
        }
    for package in health.get("half_configured") or []:
        package = package.get("name") if isinstance(package, Mapping) else package
        yield {
            "check_id": "half_configured",
            "subject": str(package),
            "title": f"{package} is installed but not configured",
            "evidence": [package],
        }
    if health.get("boot_full"):
        yield {
            "check_id": "boot_full",
            "subject": "/boot",
            "title": "/boot has no room for another kernel: an update of the kernel would fail halfway",
            "evidence": [{key: health.get(key) for key in ("boot_free_bytes", "boot_needed_bytes")}],
        }
    removals = data.get("removals") or []
    if removals:
        yield {
            "check_id": "full_upgrade_removals",
            "subject": name,
            "title": f"A full upgrade would remove {len(removals)} package{'s' if len(removals) > 1 else ''}",
            "evidence": removals,
            "informational": True,
        }


def _clock(skew: int | None) -> Iterable[dict[str, Any]]:
    if skew:
        yield {
            "check_id": "clock_skew",
            "subject": "host",
            "title": f"The host's clock is {clock.words(skew)}: the times that it writes are wrong",
            "evidence": [{"clock_skew_s": skew}],
        }


def end_of_life(data: Mapping[str, Any], when: str) -> str | None:
    """That the release had no security updates any more at that time, as a sentence; longer ones are paid for (ESM)."""
    host, repositories = data.get("host") or {}, (data.get("metadata") or {}).get("repositories") or []
    ended = host.get("eol_date")
    paid = any(str(each.get("origin")).startswith("UbuntuESM") and each.get("enabled") for each in repositories)
    if not ended or str(ended) >= when[:10] or paid:
        return None
    name = f"{host.get('os_id')} {host.get('os_version')}"
    return f"{name} has had no security updates since {ended}: what is found since then is fixed nowhere"


def _release(data: Mapping[str, Any], collected: str) -> Iterable[dict[str, Any]]:
    told = end_of_life(data, collected)
    if told:
        yield {
            "check_id": "end_of_life",
            "subject": "host",
            "title": f"{told[0].upper()}{told[1:]}",
            "severity": "high",
            "severity_source": "the distribution's support has ended",
            "evidence": [data.get("host")],
        }


def _by_source(data: Mapping[str, Any], packages: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    sources = {(each.get("name"), each.get("arch")): each.get("source_name") for each in data.get("installed") or []}
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for package in packages:
        source = (
            package.get("source_name") or sources.get((package.get("name"), package.get("arch"))) or package["name"]
        )
        groups.setdefault(str(source), []).append(package)
    return dict(sorted(groups.items()))


def _worst_severity(packages: Iterable[Mapping[str, Any]]) -> tuple[str, str | None]:
    known = [
        (package["severity"], package["severity_source"])
        for package in packages
        if package.get("severity") in SEVERITIES[:-1] and package.get("severity_source")
    ]
    return min(known, key=lambda pair: SEVERITIES.index(pair[0]), default=("unknown", None))


def _facts(package: Mapping[str, Any]) -> dict[str, Any]:
    return {key: package[key] for key in _EVIDENCE if package.get(key) not in (None, [], "")}


def _manager_name(data: Mapping[str, Any]) -> str:
    return str(data.get("manager") or "packages")
