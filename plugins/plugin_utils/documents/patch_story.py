# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The story of a patch run for people: a table on the screen, and `runs/<run_id>/patch.md`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import markdown
from .markdown import bullets, cell, details
from .patch import words
from .text import amount, duration, listing, plural, printable, table

_SHOWN = 20
_CAP = 500
_LOUD = {"failed": "FAILED", "needs_attention": "NEEDS ATTENTION", "refused": "REFUSED", "rolled_back": "ROLLED BACK"}


def screen(story: Mapping[str, Any]) -> list[str]:
    """A row a host with each state's time, then p50 and p95, what to do next, and what was fixed."""
    if not story["hosts"]:
        return []
    states = [each["state"] for each in story["states"]]
    rows = [["HOST", "OUTCOME", *(state.upper() for state in states), "IN ALL"]]
    rows += [[printable(host["name"]), _outcome(host), *_times(host["took_ms"], states)] for host in story["hosts"]]
    if len(story["hosts"]) > 1:
        for rank in ("p50", "p95"):
            rows.append([rank, "", *(duration(each[f"{rank}_ms"]) for each in story["states"]), ""])
    lines = ["", f"Patch run {story['run']['run_id']}: {outcomes(story)}", *table(rows)]
    undone = [host for host in story["hosts"] if host["next"]]
    lines += ["", "What to do next:"] if undone else []
    for host in undone[:_SHOWN]:
        lines.append(f"  {printable(host['name'])}: {printable(host['reason'])}")
        lines.append(f"    {printable(host['next']['why'])}")
        lines += [f"    {printable(host['next']['command'])}"] if host["next"]["command"] else []
    lines += [f"  and {amount(len(undone) - _SHOWN)} more"] if len(undone) > _SHOWN else []
    told = fixed_words(story["fixed"])
    return [*lines, *(["", told] if told else [])]


def outcomes(story: Mapping[str, Any]) -> str:
    """`3 patched, 1 rolled back`"""
    told = [f"{amount(number)} {outcome.replace('_', ' ')}" for outcome, number in story["outcomes"].items()]
    return ", ".join(told) or "no host"


def fixed_words(lines: Sequence[Mapping[str, Any]]) -> str:
    """`20 findings fixed, 18 within their SLA, 2 late`; nothing where nothing was."""
    fixed = [line for line in lines if line["kind"] == "fixed"]
    slas = [line["sla"] for line in fixed]
    told = [f"{plural(len(fixed), 'finding')} fixed"] if fixed else []
    told += [f"{amount(slas.count('met'))} within their SLA"] if "met" in slas else []
    told += [f"{amount(slas.count('missed'))} late"] if "missed" in slas else []
    again = len(lines) - len(fixed)
    told += [f"{amount(again)} opened again"] if again else []
    return f"{', '.join(told)}: see audits/remediation.md" if told else ""


def render(story: Mapping[str, Any]) -> str:
    """`patch.md`."""
    run = story["run"]
    lines = [
        f"# Patch run {run['run_id']}: {cell(run['project'])}",
        "",
        *bullets(
            [
                ("Outcome", outcomes(story)),
                ("Started", f"{run['started']} by {cell(run['user'])} on {cell(run['controller'])}"),
                ("Playbook", cell(run["playbook"])),
                *([("Fixed", cell(fixed_words(story["fixed"])))] if story["fixed"] else []),
            ]
        ),
        *_table_of_states(story),
        *(line for host in story["hosts"] for line in _host(host)),
        *_fixed(story["fixed"]),
    ]
    return "\n".join(lines) + "\n"


def _outcome(host: Mapping[str, Any]) -> str:
    outcome = host["outcome"]
    return _LOUD.get(outcome, outcome.replace("_", " ")) if outcome else "UNKNOWN"


def _times(took: Mapping[str, int], states: Iterable[str]) -> list[str]:
    return [*(duration(took[state]) if state in took else "-" for state in states), duration(sum(took.values()))]


def _table_of_states(story: Mapping[str, Any]) -> list[str]:
    states = [each["state"] for each in story["states"]]
    rows = [(host["name"], _outcome(host), *_times(host["took_ms"], states)) for host in story["hosts"]]
    rows += [
        (rank, "", *(duration(each[f"{rank}_ms"]) for each in story["states"]), "") for rank in ("p50", "p95") if states
    ]
    return ["", "## How long it took", "", *markdown.table(("Host", "Outcome", *states, "in all"), rows)]


def _host(host: Mapping[str, Any]) -> list[str]:
    document = host["patch"]
    lines = ["", f"## {cell(host['name'])}: {_outcome(host).lower()}", ""]
    facts = [("Why", cell(host["reason"]))] if host["reason"] else []
    facts += [("Came to", cell(words(document)))] if document else []
    if host["next"]:
        facts.append(("Next", cell(host["next"]["why"])))
        facts += [("Command", f"`{printable(host['next']['command'])}`")] if host["next"]["command"] else []
    lines += bullets([*facts, *(_facts(document) if document else [])])
    return [*lines, *(_of_document(document) if document else [])]


def _facts(document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, key in (("Plan", "plan_sha256"), ("Policy", "policy_sha256")):
        if document[key]:
            yield name, f"sha256 {document[key]}"
    if document["continued_from"]:
        yield "Goes on with", cell(listing(document["continued_from"]))
    if document["rollback_of"]:
        yield "Takes back", cell(document["rollback_of"])
    for name, key in (("Before", "before"), ("After", "after")):
        if document[key]:
            yield name, ", ".join(f"{amount(number)} {count}" for count, number in document[key].items())
    backups = [f"{each['backup']} proven {each['proven_at']}" for each in document["backups"] if each.get("ok")]
    if backups:
        yield "Backups relied upon", cell(listing(backups))
    if document["irreversible"]:
        yield "No way back", cell(listing([each.get("name") for each in document["irreversible"]], 50))
    for name, key in (("Restarted", "restarted"), ("Configuration files to merge", "config_leftovers")):
        if document[key]:
            yield name, cell(listing(document[key], 50))
    if document["not_restarted"]:
        told = [f"{each['unit']} ({each['kind']})" for each in document["not_restarted"]]
        yield "Not restarted", cell(listing(told, 50))
    for problem in document["problems"][:50]:
        yield "Problem", cell(f"{problem['code']}: {problem['message']}")
    files = [str(path) for _name, path in sorted((document.get("files") or {}).items())]
    if files:
        yield "Files", cell(listing(files))


def _of_document(document: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            each["state"],
            each["started"],
            each["finished"],
            duration(each["duration_ms"]),
            each["status"],
            each["detail"],
        )
        for each in document["states"]
    ]
    lines = ["", *markdown.table(("State", "Started", "Finished", "Took", "Status", "Detail"), rows)] if rows else []
    for title, key in (("changed", "changed"), ("taken back", "taken_back")):
        if document[key]:
            body = _changes(document[key])
            lines += ["", *details(f"{plural(len(document[key]), 'package')} {title}", body)]
    if document["left_out"]:
        out = [(each.get("name"), each.get("to"), each.get("why")) for each in document["left_out"]]
        body = [*markdown.table(("Package", "Version", "Why"), out[:_CAP]), *_capped(out)]
        lines += ["", *details(f"{plural(len(out), 'update')} left out", body)]
    return lines


def _changes(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(each["name"], each.get("arch"), each.get("from"), each.get("to"), each.get("why")) for each in changes]
    return [*markdown.table(("Package", "Architecture", "From", "To", "Why"), rows[:_CAP]), *_capped(rows)]


def _fixed(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (line["host"], line["title"], line["severity"], line["kind"], duration(line["time_to_fix_ms"]), line["sla"])
        for line in lines[:_CAP]
    ]
    head = ("Host", "What", "Severity", "Became", "Time to fix", "SLA")
    return ["", "## What was fixed", "", *markdown.table(head, rows), *_capped(lines)] if rows else []


def _capped(items: Sequence[Any]) -> list[str]:
    return ["", f"and {amount(len(items) - _CAP)} more"] if len(items) > _CAP else []
