# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dnf 4, dnf5 and zypper have in common: refreshing where that is wanted, and the state out of their facts."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Tuple

from .. import times
from ..errors import UpkeepError
from . import _refresh_note, _rpm, _rpm_freshness, _rpm_pending
from ._files import text_or_none
from ._refresh_note import Failures, Refresh
from ._rpm import RpmPackage
from ._rpm_view import Facts
from .model import Health, Metadata, Options, PackageState


@dataclass(frozen=True)
class Asker:
    """One way to ask one manager. `remedy` is the command that refreshes its metadata.

    `ask` reads what is cached, given what is installed. `refresh` renews it and returns what failed; `may_refresh` says
    whether this user can. `health` says what would stop an upgrade, and what of that could not be seen.
    `keepable`, `pid_files` and `logs` are those of `PackageState`, the logs besides rpm's own.
    """

    tool: str
    collector: str
    remedy: str
    ask: Callable[[List[RpmPackage]], Facts]
    refresh: Callable[[], Failures]
    may_refresh: Callable[[Facts], bool]
    health: Callable[[Facts], Tuple[Health, List[str]]]
    keepable: Callable[[Facts], bool] = lambda facts: True
    pid_files: List[str] = field(default_factory=list)
    logs: List[str] = field(default_factory=list)


def collect(options: Options, asker: Asker) -> PackageState:
    """The state of the packages at `options.root`. Raises UpkeepError `needs_root`, and what asking does."""
    packages = _rpm.query(options.root)
    facts = asker.ask(packages)
    refresh: Optional[Refresh] = None
    notes: List[str] = []
    if _refresh_wanted(options, _judge(asker, facts, options, None)):
        if asker.may_refresh(facts):
            before, times_before, started = _stamps(facts), _times(facts), time.time()
            said = asker.refresh()
            facts = asker.ask(packages)
            refresh = Refresh(_stamps(facts) != before, _failures(asker, facts, said, started, times_before))
            _refresh_note.write(asker.tool, options.root, refresh.failures)
        elif options.refresh == "always":
            raise UpkeepError(
                "needs_root",
                f"refresh: always needs write access to the metadata of {asker.tool}: run it as root (become: true), "
                "or let refresh be never or if_stale.",
            )
        else:
            notes.append(f"The metadata of {asker.tool} is stale, and only root may refresh it.")
    pending, removals = _rpm_pending.collect(facts, packages, asker.tool)
    metadata = _judge(asker, facts, options, refresh)
    metadata.problems += notes
    health, not_seen = asker.health(facts)
    if any(entry.blocked_by == "kept_back" for entry in pending):
        health.unmet_dependencies = _rpm.unmet_dependencies(options.root)
    installed = _rpm.installed_list(packages, facts.auto, _rpm_pending.held_names(facts))
    health.half_configured += [f"{e.name}-{e.version}.{e.arch}" for e in installed if e.state != "installed"]
    return PackageState(
        metadata=metadata,
        installed=installed,
        pending=pending,
        removals=removals,
        health=health,
        kernels=_rpm.kernels(options.root, packages),
        collector=asker.collector,
        tool={asker.tool: facts.version},
        not_seen=facts.not_seen + not_seen,
        changed=refresh is not None and refresh.changed,
        locks=_rpm.lock_files(options.root),
        pid_files=asker.pid_files,
        logs=_rpm.logs(options.root) + asker.logs,
        keepable=asker.keepable(facts),
        core_updates=_rpm.core_updates(packages),
    )


def _refresh_wanted(options: Options, metadata: Metadata) -> bool:
    if options.check_mode or options.refresh == "never":
        return False
    return options.refresh == "always" or metadata.stale


def _failures(
    asker: Asker, facts: Facts, said: Failures, started: float, before: Dict[str, Optional[float]]
) -> List[str]:
    """A sentence for each enabled repository that is as old as it was, whatever the command's exit code."""
    found = list(said.general)
    for repo in facts.repositories:
        # A little less than the start: some times are whole seconds, and what is a second old need not be renewed.
        old = (repo.refreshed_at or 0) < started - 3 and not said.general
        said_of = said.repositories.get(repo.id) or said.repositories.get(repo.name)
        # One of its mirrors may have failed and another served.
        if repo.enabled and (old or (said_of and repo.refreshed_at == before.get(repo.id))):
            found.append(f"the repository {repo.id} failed: {said_of or f'{asker.tool} does not say why'}.")
    return [f"Refresh: {sentence}" for sentence in found]


def _judge(asker: Asker, facts: Facts, options: Options, refresh: Optional[Refresh]) -> Metadata:
    return _rpm_freshness.judge(
        asker.tool, facts.repositories, options.root, options.max_age, times.now(), refresh, asker.remedy
    )


def _times(facts: Facts) -> Dict[str, Optional[float]]:
    return {repo.id: repo.refreshed_at for repo in facts.repositories}


def _stamps(facts: Facts) -> Dict[str, str]:
    """What changes when the metadata of a repository does: the hash of its index, which has the hashes of the rest."""
    found = {}
    for repo in facts.repositories:
        text = text_or_none(repo.repomd) if repo.repomd else None
        if text is not None:
            found[repo.id] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return found
