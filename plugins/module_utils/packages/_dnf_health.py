# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would stop or spoil an upgrade with dnf: locks, and transactions that were begun and not ended."""

from __future__ import annotations

import glob
import os
import re
from typing import List, Optional, Set, Tuple

from . import _refresh_note, _rpm
from ._files import text_or_none
from ._locks import locked_by, pid_locked_by
from ._rpm_view import Facts
from .model import Health

# dnf 4 and dnf5 keep their history here; both have a table `trans` with the times of begin and end.
_HISTORIES = ("var/lib/dnf/history.sqlite", "usr/lib/sysimage/libdnf5/transaction_history.sqlite")
_REPOSITORIES = ("etc/yum.repos.d", "etc/distro.repos.d", "etc/yum/repos.d")
_INPUTS = (
    "etc/dnf",
    "etc/yum.conf",
    "etc/yum/vars",
    *_REPOSITORIES,
    "usr/share/dnf5",
    "etc/pki/entitlement",
    "etc/pki/consumer",
    "etc/os-release",
    "var/cache/dnf/expired_repos.json",
    "var/cache/libdnf5",
    "usr/lib/sysimage/libdnf5/packages.toml",
    "usr/lib/sysimage/libdnf5/modules.toml",
)
_SETTINGS = ("etc/dnf/*.conf", "etc/yum.conf", "etc/dnf/libdnf5.conf.d/*.conf", "usr/share/dnf5/libdnf.conf.d/*.conf")
# Which folder of its own dnf 4 leaves its process id in; the usual places of those folders, dnf 4's first.
_PID_FILES = (("cache", "metadata_lock.pid"), ("cache", "download_lock.pid"), ("persist", "rpmdb_lock.pid"))
_USUAL = {"cache": ("var/cache/dnf", "var/cache/libdnf5"), "persist": ("var/lib/dnf",)}
_ELSEWHERE = re.compile(r"^\s*(?:reposdir|varsdir|pluginconfpath)\s*=", re.MULTILINE)
_SECTION = re.compile(r"^\[([^\]]+)\]\s*$|^enabled\s*=\s*(0|no|false|off)\s*$", re.MULTILINE | re.IGNORECASE)
_CACHED = re.compile(r"^(.+)-[0-9a-f]{16}$")


def health(root: str, facts: Facts) -> Tuple[Health, List[str]]:
    """The document's `health`, and what of it could not be seen."""
    lock = _lock(root, facts)
    interrupted, notes = _interrupted(root)
    # A transaction that is running has no end yet either.
    return Health(interrupted=interrupted and lock is None, half_configured=[], locked_by=lock), notes


def inputs(root: str) -> List[str]:
    """The files and folders that decide what dnf answers, of dnf 4's cache each repository's index.

    Not that cache as a whole, where each reader leaves a lock for a moment; but for as long as a repository has nothing
    there, since then only the folder tells when it comes.
    """
    cache = os.path.join(root, "var/cache/dnf")
    names = sorted(os.listdir(cache)) if os.path.isdir(cache) else []
    cached = [name for name in names if os.path.exists(os.path.join(cache, name, "repodata/repomd.xml"))]
    known = {match.group(1) for match in map(_CACHED.match, cached) if match}
    found = [os.path.join(root, path) for path in (*_INPUTS, *_HISTORIES)]
    found += [os.path.join(cache, name, "repodata/repomd.xml") for name in cached]
    if _enabled(root) - known and not os.path.isdir(os.path.join(root, "var/cache/libdnf5")):
        found.append(cache)
    return [*found, *_rpm.database_files(root), _refresh_note.path("dnf", root)]


def pid_files(root: str) -> List[str]:
    """The files in which dnf 4 names itself, where its folders are the usual ones."""
    return [os.path.join(root, _USUAL[folder][0], name) for folder, name in _PID_FILES]


def logs(root: str) -> List[str]:
    """The write-ahead logs of its history."""
    return [os.path.join(root, f"{path}-wal") for path in _HISTORIES]


def keepable(root: str, facts: Facts) -> bool:
    """Whether all that decides the answer lies where `inputs` looks for it."""
    for folder, usual in _USUAL.items():
        path = facts.paths.get(folder)
        known = [os.path.normpath(os.path.join(root, each)) for each in usual]
        if path is not None and os.path.normpath(path) not in known:
            return False
    texts = (text_or_none(path) or "" for pattern in _SETTINGS for path in glob.glob(os.path.join(root, pattern)))
    return not any(map(_ELSEWHERE.search, texts))


def _enabled(root: str) -> Set[str]:
    """The ids of the repositories that their files do not switch off."""
    found: Set[str] = set()
    for folder in (os.path.join(root, path) for path in _REPOSITORIES):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            current = ""
            for match in _SECTION.finditer(text_or_none(os.path.join(folder, name)) or ""):
                current = match.group(1) or current
                (found.add if match.group(1) else found.discard)(current)
    return found


def _lock(root: str, facts: Facts) -> Optional[str]:
    """dnf 4 leaves its process id in a file for as long as it works; rpm itself takes a lock on one."""
    paths = (os.path.join(facts.paths.get(folder, ""), name) for folder, name in _PID_FILES)
    return pid_locked_by(filter(os.path.isabs, paths)) or locked_by(_rpm.lock_files(root))[0]


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
