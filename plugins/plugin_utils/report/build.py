# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report: a pure function of the run folder, the evidence, and the time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from .. import gates as policy
from .. import proof_chain, rules, sla
from ..advisories import findings as advisories
from ..runs import Run
from . import patching
from .backups import backup_entries
from .gather import Gathered, durations, gather
from .hosts import host_entry
from .sealed import never_opened
from .vulnerabilities import add_to_hosts, audited_findings, sla_section, vulnerability_section

SCHEMA = "upkeep.report/1"

# Figures that need a part which is not configured, and what to say while they are null.
_UNKNOWN_BECAUSE = {
    "perf.service_p95_ms": "no service probe is configured",
}


def build(
    home: Path,
    run: Run,
    gates: Sequence[policy.Gate],
    now: datetime,
    tool: Mapping[str, Any],
    process: str | None = None,
) -> dict[str, Any]:
    """`upkeep.report/1` of `run`, with the gates evaluated. Raises UpkeepError as `gates.evaluate` does.

    With `process`, of what that process of the run set out to do alone.
    """
    gathered = gather(home, run, process)
    run = gathered.run
    hosts = [host_entry(name, run.asset_of(name), phases, now) for name, phases in gathered.by_host.items()]
    for host in hosts:
        host["patch_run"] = gathered.patch_runs.get(host["name"])
    backups = backup_entries(home, gathered, now)
    vulnerabilities, why = vulnerability_section(gathered, now)
    add_to_hosts(hosts, vulnerabilities)
    clocks, why_no_clocks = sla_section(gathered, hosts, now)
    chain = proof_chain.verify(home)
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "generated": times.iso(now),
        "project": run.project,
        "tool": dict(tool),
        "run": _run(run, gathered),
        "fleet": fleet(hosts),
        "summary": summary(hosts, backups),
        "hosts": hosts,
        "findings": _findings(gathered, now),
        "backups": backups,
        "proof_chain": {
            "proofs": chain.proofs,
            "head": chain.head,
            "head_sha256": chain.head_sha256,
            "signed": len(chain.signed),
            "problems": chain.problems,
        },
        "vulnerabilities": vulnerabilities,
        "sla": clocks,
        "perf": {"collect_p95_ms": p95(durations(gathered.own.values(), "patch_level")), "service_p95_ms": None},
        "quality": {"test_coverage_pct": _test_coverage(home)},
        "unknown_because": {**_UNKNOWN_BECAUSE, **why, **why_no_clocks},
    }
    report["unknown_because"].update(_unknown_summary(report))
    report["gates"] = policy.evaluate(gates, report)
    # No policy turns a failed run into a pass.
    report["verdict"] = "fail" if report["run"]["failures"] else policy.verdict(report["gates"])
    return report


def _run(run: Run, gathered: Gathered) -> dict[str, Any]:
    document = run.document()
    kept = ("run_id", "playbook", "started", "check", "limit", "tags", "phases", "targeted", "controller", "user")
    return {
        **{key: document[key] for key in kept},
        "interrupted": run.state == "interrupted",
        "failures": rules.broken(run, gathered.own),
    }


def fleet(hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much of what was targeted was seen. No host at all: no percentage."""
    observed = sum(1 for host in hosts if host["observed"])
    return {
        "targeted": len(hosts),
        "observed": observed,
        "unreachable": sum(1 for host in hosts if host["unreachable"]),
        "coverage_pct": round(100 * observed / len(hosts), 1) if hosts else None,
    }


def summary(hosts: Sequence[Mapping[str, Any]], backups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fleet-wide counts. A sum is over the hosts that it is known of; `patch_level_unknown` says how many are not."""
    patches = [host["patch"] for host in hosts]
    known = [patch for patch in patches if patch["pending"] is not None]
    in_scope = [entry for entry in backups if entry["in_scope"]]
    unproven = sum(1 for entry in in_scope if not entry["proven"])
    return {
        "backups": len(in_scope),
        "proven_backups": len(in_scope) - unproven,
        # With no backup at all there is nothing that could be proven: not zero, unknown.
        "unproven_backups": unproven if in_scope else None,
        "never_opened": never_opened(in_scope),
        "pending": sum(patch["pending"] for patch in known) if known else None,
        "security": sum(patch["security"] or 0 for patch in known) if known else None,
        "blocked": sum(patch["blocked"] or 0 for patch in known) if known else None,
        "patch_level_unknown": len(patches) - len(known),
        "stale_metadata_hosts": sum(1 for patch in patches if patch["metadata_stale"]),
        "reboots_due": sum(1 for patch in patches if patch["reboot_required"]),
        "reboots_unknown": sum(1 for patch in patches if patch["reboot_required"] is None),
        "services_stale": sum(len(patch["services_stale"] or []) for patch in patches),
        "services_unknown": sum(1 for patch in patches if patch["services_stale"] is None),
        **patching.counted(hosts),
        "unaudited_hosts": unaudited(hosts),
        "not_observed": sum(1 for host in hosts if not host["observed"]),
    }


def unaudited(hosts: Sequence[Mapping[str, Any]]) -> int | None:
    """Hosts without a complete audit; None while a host could not be audited, or only by stale package lists.

    An audit that failed counts; one that did not happen leaves the number open.
    """
    failed = sum(1 for host in hosts if host["audit"]["status"] == "failed")
    doubtful = sum(
        1 for host in hosts if host["audit"]["status"] not in ("ok", "failed") or host["patch"]["metadata_stale"]
    )
    if failed:
        return failed + doubtful
    return None if doubtful or not hosts else 0


def _unknown_summary(report: Mapping[str, Any]) -> dict[str, str]:
    told = {}
    if report["summary"]["unproven_backups"] is None:
        told["summary.unproven_backups"] = "there is no backup whose restore could be proven"
    if report["summary"]["never_opened"] is None:
        told["summary.never_opened"] = "the vault of an encrypted backup cannot be read"
    if report["summary"]["unaudited_hosts"] is None:
        stale = report["summary"]["stale_metadata_hosts"]
        told["summary.unaudited_hosts"] = (
            f"package lists are stale on {stale} of {report['fleet']['targeted']} hosts"
            if stale
            else "not every targeted host was audited completely"
        )
    return told


def _findings(gathered: Gathered, now: datetime) -> list[dict[str, Any]]:
    """Those of advisories stand in `vulnerabilities.groups`, once for all hosts."""
    return [
        {**finding, "host": host, "sla_state": sla.state(finding, now)}
        for host, finding in audited_findings(gathered)
        if finding.get("source") != advisories.SOURCE
    ]


def p95(values: Sequence[int]) -> int | None:
    """The nearest-rank 95th percentile, or None of nothing."""
    ordered = sorted(values)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else None


def _test_coverage(home: Path) -> float | None:
    """From `reports/coverage.json`, as `coverage json` writes it, where a test run left one."""
    try:
        totals = json.loads((home / "reports" / "coverage.json").read_bytes())["totals"]
        return round(float(totals["percent_covered"]), 1)
    except (OSError, ValueError, KeyError, TypeError):
        return None
