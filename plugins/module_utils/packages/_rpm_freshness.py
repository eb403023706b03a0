# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far the metadata of rpm repositories can be trusted."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Optional, Sequence

from .. import times
from . import _refresh_note, _updateinfo
from ._refresh_note import Refresh
from ._rpm_view import RpmRepo
from .model import Metadata, Repository


def judge(
    manager: str,
    repositories: Sequence[RpmRepo],
    root: str,
    max_age: int,
    now: datetime,
    refresh: Optional[Refresh],
    remedy: str,
) -> Metadata:
    """The document's `metadata`. `remedy` is the command that refreshes.

    Stale: a repository without metadata, with metadata older than `max_age` seconds or with advisories that cannot be
    read, or a refresh that failed. Each has a time of its own; the document's is the oldest of them.
    """
    enabled = [repo for repo in repositories if repo.enabled]
    known = [repo.refreshed_at for repo in enabled if repo.fetched and repo.refreshed_at]
    when = min(known, default=None)
    problems = refresh.failures[:] if refresh else _refresh_note.remembered(manager, root, when)
    problems += [_old(repo, max_age, now, remedy) or "" for repo in enabled]
    problems += [_unusable(repo, remedy) or "" for repo in enabled]
    problems += [_unread(repo) or "" for repo in enabled]
    if not enabled:
        problems.append(f"No repository is enabled: {_unregistered(root) or 'nothing can be said about updates.'}")
    stale = any(problems)
    for repo in enabled:
        if repo.needs:
            problems.append(f"The repository {repo.id} needs a subscription: {repo.needs}")
        if repo.fetched and not repo.updateinfo:
            problems.append(
                f"The repository {repo.id} has no advisories: which of its updates are for security is unknown."
            )
    if enabled and not any(_security(repo) for repo in enabled):
        problems.append("No configured repository has security advisories.")
    return Metadata(
        refreshed_at=times.from_timestamp(when) if when is not None else None,
        refresh_ok=None if refresh is None else not refresh.failures,
        stale=stale,
        repositories=[_model(repo) for repo in repositories],
        problems=[problem for problem in problems if problem],
    )


def _old(repo: RpmRepo, max_age: int, now: datetime, remedy: str) -> Optional[str]:
    if not repo.fetched or repo.refreshed_at is None or now.timestamp() - repo.refreshed_at <= max_age:
        return None
    when = times.from_timestamp(repo.refreshed_at)
    return f"The metadata of the repository {repo.id} was last refreshed at {when}: run `{remedy}`."


def _unusable(repo: RpmRepo, remedy: str) -> Optional[str]:
    if not repo.fetched:
        return f"The repository {repo.id} is configured but its metadata is not there: run `{remedy}`."
    if repo.expired:
        return f"The metadata of the repository {repo.id} is marked as expired: run `{remedy}`."
    return None


def _unread(repo: RpmRepo) -> Optional[str]:
    if not repo.unread:
        return None
    return f"The advisories of the repository {repo.id} cannot be read: which updates are for security is unknown."


def _unregistered(root: str) -> Optional[str]:
    """Red Hat's hosts get their repositories with their registration."""
    if os.path.isdir(os.path.join(root, "etc/rhsm")) and not os.path.exists(
        os.path.join(root, "etc/pki/consumer/cert.pem")
    ):
        return "this host is not registered: see `subscription-manager register`."
    return None


def _security(repo: RpmRepo) -> bool:
    """By the advisories in its metadata. Those that cannot be read (zchunk) count as of every kind: such files are
    Fedora's, which has security advisories in each."""
    if repo.security is None:
        repo.security = bool(repo.updateinfo) and _updateinfo.has_security(repo.updateinfo or "") is not False
    return repo.security


def _model(repo: RpmRepo) -> Repository:
    return Repository(
        id=repo.id,
        enabled=repo.enabled,
        label=repo.name or None,
        security=_security(repo),
        signed=repo.signed,
        fetched=repo.fetched,
        date=times.from_timestamp(repo.refreshed_at) if repo.refreshed_at else None,
    )
