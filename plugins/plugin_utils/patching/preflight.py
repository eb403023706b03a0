# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host is fit to be changed, from what was seen before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .. import clock
from ..documents.text import listing
from ..findings import end_of_life
from .facts import when
from .judgement import Judgement
from .policy import Policy

Data = Mapping[str, Any]

# How a transaction that was cut off is finished or cleared, by the manager's own tools.
_REPAIR = {
    "apt": "dpkg --configure -a && apt-get --fix-broken install",
    "dnf": "dnf history list, then dnf history redo last",
    "zypper": "zypper verify",
    "apk": "apk fix",
    "pacman": "rm /var/lib/pacman/db.lck once no pacman runs, then pacman -Syu",
}


def judge(
    begin: Data | None, level: Data | None, plan: Data | None, policy: Policy, began: datetime, now: datetime,
    check: bool = False,
) -> Judgement:  # fmt: skip
    """`begin`, `level`, `plan`: the data of patch_begin, patch_level, patch_plan; `plan` None before there is one.

    `began`: when the run did. In check mode no list is refreshed, so stale ones are noted and stop nothing.
    """
    said = Judgement("refused")
    if begin is None:
        said.add("not_seen", "the host was not claimed and looked at before: nothing is changed blindly")
    if level is None:
        said.add("not_seen", "the patch level was not collected: nothing is changed blindly")
    said.take(begin or {})
    if level is not None:
        _manager(said, level)
        _metadata(said, level, policy, now, check)
        _notes(said, level, began, now)
    refused = (plan or {}).get("refused")
    if refused:
        said.add(str(refused.get("code")), str(refused.get("message")))
    return said


def _manager(said: Judgement, level: Data) -> None:
    health, manager = level.get("health") or {}, str(level.get("manager"))
    way = f"finish it with `{_REPAIR.get(manager, manager)}` on the host, then run again"
    if health.get("locked_by") and not said.has("lock_held"):
        said.add("lock_held", f"{health['locked_by']} holds {manager}'s lock: let it end, then run again")
    if health.get("interrupted"):
        said.add("interrupted", f"{manager} was interrupted in the middle of a change: {way}")
    unconfigured = [
        str(each.get("name") if isinstance(each, Mapping) else each) for each in _list(health, "half_configured")
    ]
    if unconfigured and not said.has("half_configured"):
        said.add("half_configured", f"{listing(unconfigured)}: installed but not configured; {way}")
    if health.get("unmet_dependencies"):
        said.add("unmet_dependencies", f"dependencies are not met: {listing(health['unmet_dependencies'], 3)}; {way}")
    if health.get("boot_full"):
        said.notes.append("/boot has no room for another kernel")


def _metadata(said: Judgement, level: Data, policy: Policy, now: datetime, check: bool) -> None:
    metadata = level.get("metadata") or {}
    if not metadata.get("stale"):
        return
    refreshed = when(metadata.get("refreshed_at"))
    told = f"the package lists are stale, last refreshed {metadata.get('refreshed_at') or 'never'}"
    why = "; ".join(str(problem).rstrip(".") for problem in _list(metadata, "problems"))
    told += f" ({why})" if why else ""
    if policy.refresh == "never" and refreshed and (now - refreshed).total_seconds() <= policy.max_age:
        said.notes.append(f"{told}; patch_refresh is never, and they are younger than patch_max_age")
    elif check and policy.refresh != "never":
        said.notes.append(f"{told}; check mode refreshes nothing, so the real plan may differ")
    else:
        way = "set patch_refresh: if_stale" if policy.refresh == "never" else "mend the repository or the network"
        said.add("stale_metadata", f"{told}: what is planned from them may be wrong; {way}, then run again")


def _notes(said: Judgement, level: Data, began: datetime, now: datetime) -> None:
    ended = end_of_life(level, now.strftime("%Y-%m-%d"))
    if ended:
        said.notes.append(ended)
    skew = clock.skew_s("patch_level", [level], began, now)
    if skew:
        said.notes.append(f"the host's clock is {clock.words(skew)}: the times that it writes are wrong")


def _list(data: Data, key: str) -> list[Any]:
    return list(data.get(key) or [])
