# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things stand, from the last evidence: reads `reports/report.json` and contacts nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.proven.upkeep.plugins.module_utils import times  # noqa: E402
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import interrupted, runs  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import amount, duration, listing, plural  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.report import off_host, patching  # noqa: E402

_SCHEMA = "upkeep.report/1"
_COLOURS = {"ok": "green", "failed": "red", "unknown": "yellow", "incomplete": "red", "skipped": "dim"}


def run(home: str | None) -> int:
    """Print where things stand. 1 if there is nothing to read yet, 0 otherwise: a look is not a gate."""
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    try:
        folder = homes.resolve(home).path
    except UpkeepError as error:
        print(error.message, file=sys.stderr)
        return 1
    try:
        report = json.loads((folder / "reports/report.json").read_bytes())
        if not isinstance(report, dict) or report.get("schema") != _SCHEMA:
            raise ValueError(f"it is no {_SCHEMA} document")
    except FileNotFoundError:
        print(f"no report in {folder / 'reports'} yet: run `make maintain` first", file=sys.stderr)
        return 1
    except (OSError, ValueError) as problem:
        print(f"{folder / 'reports/report.json'} cannot be read ({problem}): run `make report`", file=sys.stderr)
        return 1
    now = times.now()
    for line in headline(report, now):
        console.print(line)
    console.print(hosts_table(report, now))
    for name, value in facts(report, now):
        console.print(f"  {name:18} {escape(value)}")
    newest = next(iter(runs.newest_first(folder)), None)
    if newest is not None and newest.run_id != report["run"]["run_id"]:
        console.print(
            f"  {'newer run':18} {escape(newest.run_id)} is {_state(folder, newest)}; `make report` takes it in"
        )
    console.print(f"  {'next scheduled run':18} {escape(next_scheduled())}")
    return 0


def headline(report: Mapping[str, Any], now: datetime) -> list[str]:
    """The verdict of the last report, in two lines."""
    fleet, failures = report["fleet"], report["run"]["failures"]
    state = f"{plural(len(failures), 'failure')}" if failures else "nothing failed"
    return [
        f"[bold]{escape(report['project'])}[/]: run {escape(report['run']['run_id'])}, "
        f"{_ago(report['generated'], now)}: "
        f"{state}, verdict {report['verdict']}, {fleet['observed']} of {plural(fleet['targeted'], 'host')} observed",
        *(f"  [red]{escape(failure['message'])}[/]" for failure in failures[:5]),
    ]


def hosts_table(report: Mapping[str, Any], now: datetime) -> Table:
    """A row a host: status, last proof, what is pending, reboot."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    for column in ("host", "status", "last proof", "pending", "security", "reboot", "last patched"):
        table.add_column(column)
    proofs = _proofs_by_host(report)
    for host in report["hosts"]:
        patch, proof = host["patch"], proofs.get(host["name"])
        reboot = {True: "due", False: "no", None: "?"}[patch["reboot_required"]]
        colour = _COLOURS.get(host["status"], "")
        table.add_row(
            escape(host["name"]),
            f"[{colour}]{host['status']}[/]" if colour else host["status"],
            _ago(proof, now) if proof else "never",
            amount(patch["pending"]),
            amount(patch["security"]),
            reboot,
            _patched(host, now),
        )
    return table


def _patched(host: Mapping[str, Any], now: datetime) -> str:
    """When the host was patched last, and that the last try did not go well."""
    run = host.get("patch_run")
    if not run:
        return "never"
    when = _ago(run["last_patched"], now) if run["last_patched"] else "never"
    wrong = (run["outcome"] or "interrupted").replace("_", " ")
    return f"{when}, [red]{wrong} since[/]" if run["status"] in ("failed", "unknown", "incomplete") else when


def facts(report: Mapping[str, Any], now: datetime) -> list[tuple[str, str]]:
    """What is not a host's: the oldest unproven backup, criticals, what is due."""
    backups = [entry for entry in report["backups"] if entry["in_scope"]]
    unproven = [entry for entry in backups if not entry["proven"]]
    oldest = max(unproven, key=lambda entry: entry["age_s"] or float("inf"), default=None)
    because = report.get("unknown_because", {})
    in_vault = off_host.words(backups)
    return [
        (
            "oldest unproven",
            f"{oldest['backup']} on {oldest['host']}: {'; '.join(oldest['problems'])}"
            if oldest
            else f"none: {plural(len(backups), 'backup')} proven"
            if backups
            else "there is no backup yet",
        ),
        *_encrypted(backups),
        *([("vault", in_vault)] if in_vault else []),
        *_patch_runs(report),
        ("criticals", _criticals(report)),
        ("overdue", _counted(report["sla"]["breached"], because.get("sla.breached"))),
        ("next due", next_due(report) or f"none{_why(because.get('sla.due_soon'))}"),
    ]


def _patch_runs(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each patch run that is unfinished or went wrong, and what to do; nothing where all is well."""
    told = []
    for host in patching.doubtful(report)[:10]:
        following = (host["patch_run"]["next"] or {}).get("command")
        told.append(("patch run", patching.words(host) + (f"; next: {following}" if following else "")))
    return told


def _encrypted(backups: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Whether the escrowed key was shown to open what is encrypted; nothing where nothing is."""
    sealed = [entry for entry in backups if entry.get("sealed")]
    never = [f"{entry['backup']} on {entry['host']}" for entry in sealed if not entry["sealed"]["opened_at"]]
    if never:
        return [("encrypted", f"never opened with the escrowed key: {listing(never, 3)}")]
    told = f"{plural(len(sealed), 'backup')}, each opened with the escrowed key"
    return [("encrypted", told)] if sealed else []


def next_due(report: Mapping[str, Any]) -> str | None:
    """The finding that is due first, where findings have due times."""
    dated = [
        (finding["due"], finding["title"], finding["asset"]) for finding in report["findings"] if finding.get("due")
    ]
    for group in report["vulnerabilities"].get("groups", []):
        dated += [(way["due"], group["title"], listing(way["hosts"], 3)) for way in group["where"] if way["due"]]
    if not dated:
        return None
    due, title, where = min(dated)
    return f"{title} on {where}, due {due}"


def _criticals(report: Mapping[str, Any]) -> str:
    """`2 (1 fixable), 1 known to be exploited`; what is known, and that it is not all."""
    section = report["vulnerabilities"]
    known, because = section.get("known"), report.get("unknown_because", {}).get("vulnerabilities.critical")
    if section["critical"] is None and not (known and known["critical"]):
        return f"unknown{_why(because)}"
    text = (
        f"{amount(known['critical'])} ({amount(known['fixable']['critical'])} fixable)" if known["critical"] else "none"
    )
    text += f", {amount(known['kev'])} known to be exploited" if known["kev"] else ""
    return text + (f"; there may be more{_why(because)}" if section["critical"] is None else "")


def _counted(number: int | None, because: str | None) -> str:
    return f"unknown{_why(because)}" if number is None else amount(number)


def _why(because: str | None) -> str:
    return f": {because}" if because else ""


def next_scheduled() -> str:
    """The next run that a systemd timer of this machine named upkeep* starts."""
    if not shutil.which("systemctl"):
        return "none seen: no systemd timers on this machine"
    try:
        done = subprocess.run(
            ["systemctl", "list-timers", "upkeep*", "--no-legend", "--no-pager"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "none seen: systemd did not answer"
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else "none: no systemd timer named upkeep*"


def _proofs_by_host(report: Mapping[str, Any]) -> dict[str, str]:
    """host -> when its newest successful drill ended."""
    newest: dict[str, str] = {}
    for entry in report["backups"]:
        proof = entry["last_restore"]
        if entry["proven"] and proof and proof["finished"] > newest.get(entry["host"], ""):
            newest[entry["host"]] = proof["finished"]
    return newest


def _ago(when: str, now: datetime) -> str:
    return f"{duration((now - times.parse(when)).total_seconds() * 1000)} ago"


def _state(folder: Path, newest: runs.Run) -> str:
    killed = newest.state == "running" and not interrupted.lives(folder, newest)
    if killed:
        return "interrupted"
    went_wrong = f", with {plural(len(newest.failures), 'failure')}" if newest.failures else ""
    return f"{newest.state}{went_wrong}"
