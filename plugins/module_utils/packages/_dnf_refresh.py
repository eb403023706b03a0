# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renewing dnf's metadata, by its own command: every repository is tried, whatever becomes of the others."""

from __future__ import annotations

import re
import time
from typing import Dict

from ..errors import UpkeepError
from ._refresh_note import Failures, without_secrets
from ._run import run

LOCK_WAIT = 60
TIMEOUT = 900
# dnf 4: `Error: Failed to download metadata for repo 'x': Cannot download repomd.xml: …`, the causes above it as
# `  - Curl error (37): …`, below `Errors during downloading metadata for repository 'x':`
_DNF4 = re.compile(
    r"^Errors during downloading metadata for repository '(.+)':$|^\s+- (.+)$|^Error: .* for repo '(.+)': (.+)$"
)
# dnf5: `>>> Curl error (37): …` below the repository's line of progress, which begins with its name.
_DNF5 = re.compile(r"^ (\S.*?) +(?:\d+|\?\?\?)% \||^>>> (.+)$")
_LOCKED = re.compile(
    r"already locked by (\d+)|lock.* (?:is|are) held by|Waiting for (?:the )?(?:process|lock)", re.IGNORECASE
)


def refresh(command: str, five: bool, root: str) -> Failures:
    """Run `dnf makecache --refresh`, waiting at most a minute for whoever holds its lock."""
    # A repository that may be skipped fails in a note; one that may not ends it before the others are tried.
    argv = [command, "makecache", "--refresh", "--setopt=*.skip_if_unavailable=1"]
    # dnf5 takes its --refresh for done while what it has is young.
    argv.append("--setopt=*.metadata_expire=1" if five else "--setopt=exit_on_lock=1")
    if root != "/":
        argv.append(f"--installroot={root}")
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            result = run(argv, timeout=TIMEOUT, allow=tuple(range(256)))
        except UpkeepError as error:
            return Failures([error.message])
        said = result.stderr + "\n" + result.stdout
        if not (result.rc and _LOCKED.search(said)):
            break
        if time.monotonic() > deadline:
            return Failures([f"dnf's metadata is locked by another process; waited {LOCK_WAIT} seconds for it."])
        time.sleep(1)
    failed = parse_failures(said)
    if result.rc and not failed:
        last = next(
            (line.strip() for line in reversed(result.stderr.splitlines()) if line.strip()), "it does not say why"
        )
        return Failures([f"dnf makecache failed with exit code {result.rc}: {without_secrets(last)}"])
    return Failures([], failed)


def parse_failures(text: str) -> Dict[str, str]:
    """What dnf 4 or dnf5 says of the repositories that failed, by their id (dnf 4) or name (dnf5)."""
    found: Dict[str, str] = {}
    of = None
    for line in text.splitlines():
        match = _DNF4.match(line)
        if match:
            of = match.group(1) or match.group(3) or of
            why = match.group(2) or match.group(4)
        else:
            match = _DNF5.match(line)
            of = (match.group(1) or of) if match else of
            why = match.group(2) if match else None
        if of and why:
            found.setdefault(of, without_secrets(" ".join(why.split())).strip(" ."))
    return found
