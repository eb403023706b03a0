# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would stop or spoil an upgrade with dnf: locks, and transactions that were begun and not ended."""

from __future__ import annotations

import os
from typing import List, Optional, Tuple

from . import _rpm
from ._files import line_or_none
from ._locks import command_name
from ._rpm_view import Facts
from .model import Health

# dnf 4 and dnf5 keep their history here; both have a table `trans` with the times of begin and end.
_HISTORIES = ("var/lib/dnf/history.sqlite", "usr/lib/sysimage/libdnf5/transaction_history.sqlite")
_INPUTS = (
    "etc/dnf",
    "etc/dnf/dnf.conf",
    "etc/dnf/vars",
    "etc/dnf/modules.d",
    "etc/dnf/plugins/versionlock.list",
    "etc/dnf/versionlock.toml",
    "etc/dnf/libdnf5.conf.d",
    "etc/yum.repos.d",
    "usr/share/dnf5/repos.d",
    "etc/pki/entitlement",
    "etc/pki/consumer/cert.pem",
    "etc/os-release",
    "var/cache/dnf",
    "var/cache/libdnf5",
    "usr/lib/sysimage/libdnf5",
)


def health(root: str, facts: Facts) -> Tuple[Health, List[str]]:
    """The document's `health`, and what of it could not be seen."""
    lock, unseen = _lock(root, facts)
    interrupted, blind = _interrupted(root)
    notes = [f"Who holds {path}: only root can ask." for path in unseen] + blind
    # A transaction that is running has no end yet either.
    return Health(interrupted=interrupted and lock is None, half_configured=[], locked_by=lock), notes


def inputs(root: str) -> List[str]:
    """The files and folders that decide what dnf answers, of the caches each repository's index."""
    found = [os.path.join(root, path) for path in (*_INPUTS, *_HISTORIES)]
    found += _below(os.path.join(root, "etc/yum.repos.d"), "")
    for cache in ("var/cache/dnf", "var/cache/libdnf5"):
        found += _below(os.path.join(root, cache), "repodata/repomd.xml")
    return found + _rpm.database_files(root)


def _below(folder: str, rest: str) -> List[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [os.path.join(folder, name, rest) if rest else os.path.join(folder, name) for name in names]
    return [path for path in paths if not rest or os.path.exists(path)]


def _lock(root: str, facts: Facts) -> Tuple[Optional[str], List[str]]:
    """dnf 4 leaves its process id in a file for as long as it works; rpm itself takes a lock on one."""
    for folder, name in (("cache", "metadata"), ("cache", "download"), ("persist", "rpmdb")):
        path = os.path.join(facts.paths.get(folder, ""), f"{name}_lock.pid")
        pid = line_or_none(path) if os.path.isabs(path) else None
        if pid and pid.isdecimal() and int(pid) != os.getpid() and os.path.exists(f"/proc/{pid}/stat"):
            return f"{pid} {command_name(int(pid))}", []
    return _rpm.lock_holder(root)


def _interrupted(root: str) -> Tuple[bool, List[str]]:
    """Whether the last transaction of dnf's history was begun and never ended."""
    import sqlite3

    for history in _HISTORIES:
        path = os.path.join(root, history)
        if not os.path.exists(path):
            continue
        try:
            # mode=ro: no journal of ours, and no lock that a dnf would wait for.
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
            try:
                row = connection.execute("SELECT dt_begin, dt_end FROM trans ORDER BY id DESC LIMIT 1").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            return False, [f"Whether a transaction was interrupted: {path} cannot be read ({error})."]
        if row and row[0] and not row[1]:
            return True, []
    return False, []
