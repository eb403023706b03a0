# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pending updates a policy wants: what the mode selects, nothing withholds, no exception leaves out, and a rule
approves; with a reason for each that is in and each that is out. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..advisories.host import HostMatch
from ..documents.text import listing, plural
from .facts import Facts, FirstSeen, Known, Update, key, marks_security, source
from .policy import Exempt, Listed, Policy, Rule, active, matches

_NAMED = 2  # so many advisories stand in a reason
_INDEX = "build the advisory index (playbooks/advisories.yml), which tells by what is installed, or set patch_mode: all"


@dataclass
class Selection:
    """`wanted`: {name, arch, from, to, why, security, severity, severity_source}.

    `left_out`: {name, arch, to, why, firm}; `firm`: a person left it out, so it does not come along either where
    something wanted needs it. `notes` are sentences on what the policy's owner should know.
    """

    wanted: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Verdict(NamedTuple):
    """`firm` as in Selection. `delayed` is the rule that would approve it if it were known when it was published."""

    approved: bool
    why: str
    firm: bool = False
    delayed: Rule | None = None


def select(
    level: Mapping[str, Any], policy: Policy, match: HostMatch | None, first_seen: FirstSeen, now: datetime
) -> Selection:
    """What `policy` wants of a host's `upkeep.patch_level/1` at that time.

    `first_seen` finds when recorded runs first saw updates pending; it is asked once, and only where that decides.
    """
    pending = [update for update in level.get("pending") or [] if not update.get("new_dependency")]
    pending.sort(key=key)
    facts = Facts(level, match)
    known = [facts.of(update) for update in pending]
    verdicts = [_judge(update, each, policy, now) for update, each in zip(pending, known)]
    unknown = {key(update) for update, verdict in zip(pending, verdicts) if verdict.delayed}
    seen = first_seen(unknown) if unknown else {}
    selection = Selection(notes=_notes(level, policy, match, pending, now))
    for update, each, verdict in zip(pending, known, verdicts):
        if verdict.delayed:
            verdict = _by_first_seen(update, each, verdict.delayed, seen.get(key(update)), now)
        _put(selection, update, each, verdict)
    return selection


def _put(selection: Selection, update: Update, known: Known, verdict: _Verdict) -> None:
    told = {"name": update["name"], "arch": update.get("arch"), "to": update.get("candidate"), "why": verdict.why}
    if not verdict.approved:
        selection.left_out.append({**told, "firm": verdict.firm})
        return
    of_it = {"security": known.security, "severity": known.severity, "severity_source": known.severity_source}
    selection.wanted.append({**told, "from": update.get("installed"), **of_it})


def _judge(update: Update, known: Known, policy: Policy, now: datetime) -> _Verdict:
    names = (str(update["name"]), source(update))
    exempt = [each for each in policy.exceptions if matches(each.package, names)]
    # What an exception names stays as it is, whatever else leaves it out.
    stays = any(active(each, now.date()) for each in exempt)
    outside = _not_selected(update, known, policy)
    if outside:
        return outside._replace(firm=outside.firm or stays)
    if update.get("blocked_by"):
        blocked = f"{str(update['blocked_by']).replace('_', ' ')}: {update.get('blocked_detail')}"
        return _Verdict(False, blocked, firm=stays)
    for each in exempt:
        if active(each, now.date()):
            return _Verdict(False, f"exception until {each.expires} by {each.approver}: {each.reason}", firm=True)
    ended = "".join(f"; {_ended(each)}" for each in exempt)
    kind = _kind(update, known)
    if policy.mode == "list":
        kind += ", named in patch_list"
    if not policy.rules:
        return _Verdict(True, kind + ended)
    rule = next((each for each in policy.rules if _applies(each, update, known, names)), None)
    if rule is None:
        return _Verdict(False, f"no rule approves it ({kind})")
    if not rule.approve:
        return _Verdict(False, f"rule '{rule.name}' keeps it back ({kind})", firm=True)
    if not rule.after:
        return _Verdict(True, f"{kind}, rule '{rule.name}'{ended}")
    if known.published is None:
        return _Verdict(False, "", delayed=rule)
    verdict = _by_delay(known.published, f"published {_ago(known.published, now)}", kind, rule, now)
    return verdict._replace(why=verdict.why + ended) if verdict.approved else verdict


def _not_selected(update: Update, known: Known, policy: Policy) -> _Verdict | None:
    if policy.mode == "security" and not known.security:
        return _Verdict(False, "no security update (patch_mode: security)")
    if policy.mode != "list":
        return None
    of_name = [each for each in policy.listed if matches((each.package,), (update["name"],))]
    if not of_name:
        return _Verdict(False, "not named in patch_list")
    versions = [each.version for each in of_name]
    if None in versions or update.get("candidate") in versions:
        return None
    asked = " or ".join(str(version) for version in versions)
    told = f"patch_list wants {asked}, and what the repositories offer is {update.get('candidate')}"
    return _Verdict(False, told, firm=True)


def _applies(rule: Rule, update: Update, known: Known, names: tuple[str, ...]) -> bool:
    return (
        (not rule.severity or known.severity in rule.severity)
        and rule.security in (None, known.security)
        and (not rule.package or matches(rule.package, names))
        and (not rule.origin or matches(rule.origin, tuple(map(str, update.get("origins") or ()))))
    )


def _by_first_seen(update: Update, known: Known, rule: Rule, seen: datetime | None, now: datetime) -> _Verdict:
    kind = _kind(update, known)
    if seen is None:
        return _Verdict(
            False,
            f"rule '{rule.name}' approves {_span(rule.after)} after publication, and neither its repository nor an "
            f"advisory tells when that was; no earlier run saw it, so it counts from now on ({kind})",
        )
    return _by_delay(seen, f"first seen {_ago(seen, now)}, when it was published is not told", kind, rule, now)


def _by_delay(since: datetime, told: str, kind: str, rule: Rule, now: datetime) -> _Verdict:
    due = since + rule.after
    approves = f"rule '{rule.name}' approves after {_span(rule.after)}"
    if due <= now:
        return _Verdict(True, f"{kind}, {told}, {approves}")
    return _Verdict(False, f"{told}, {approves}: on {due:%Y-%m-%d at %H:%M} UTC ({kind})")


def _kind(update: Update, known: Known) -> str:
    """`security update DSA-5810-1, critical (debian), the fix is 1.2-3`."""
    words = "security update" if known.security else "downgrade" if update.get("downgrade") else "update"
    if known.named:
        words += f" {listing(known.named, _NAMED)}"
    if known.severity != "unknown":
        words += f", {known.severity}" + (f" ({known.severity_source})" if known.severity_source else "")
    fix = update.get("security_version")
    if fix and fix != update.get("candidate"):
        words += f", fixed in {fix}, which {update.get('candidate')} follows"
    return words


def _notes(
    level: Mapping[str, Any], policy: Policy, match: HostMatch | None, pending: Sequence[Update], now: datetime
) -> list[str]:
    return [
        *(_of_ended(each, pending) for each in policy.exceptions if not active(each, now.date())),
        *_of_marks(level, policy, match),
        *_of_list(policy, pending),
    ]


def _ended(exempt: Exempt) -> str:
    return f"the exception of {exempt.approver} ended on {exempt.expires}"


def _of_ended(exempt: Exempt, pending: Iterable[Update]) -> str:
    again = sorted({str(each["name"]) for each in pending if matches(exempt.package, (each["name"], source(each)))})
    if not again:
        return f"{_ended(exempt)} ({exempt.reason}); nothing pending is of it: remove it from patch_exceptions"
    return f"{_ended(exempt)} ({exempt.reason}): {listing(again)} not left out any more"


def _of_marks(level: Mapping[str, Any], policy: Policy, match: HostMatch | None) -> list[str]:
    by_severity = any(rule.severity or rule.security is not None for rule in policy.rules)
    needed = policy.mode == "security" or by_severity
    if needed and match is not None and match.problems:
        return [f"the advisory index does not tell all of this host: {'; '.join(match.problems)}"]
    if policy.mode != "security" or marks_security(level) or match is not None:
        return []
    return [
        f"{level.get('manager')}'s repositories do not mark security updates, so patch_mode: security selects nothing: "
        f"{_INDEX}"
    ]


def _of_list(policy: Policy, pending: Iterable[Update]) -> list[str]:
    names = {str(each["name"]) for each in pending}
    idle = [each for each in policy.listed if policy.mode == "list" and not _is_of(each, names)]
    return [f"patch_list: no update is pending for {listing(idle)}"] if idle else []


def _is_of(listed: Listed, names: Iterable[str]) -> bool:
    return any(matches((listed.package,), (name,)) for name in names)


def _ago(since: datetime, now: datetime) -> str:
    return f"{_span(now - since)} ago" if since <= now else "in the future"


def _span(length: timedelta) -> str:
    hours = int(length.total_seconds()) // 3600
    if hours >= 24:
        return plural(hours // 24, "day")
    return plural(hours, "hour") if hours else plural(int(length.total_seconds()) // 60, "minute")
