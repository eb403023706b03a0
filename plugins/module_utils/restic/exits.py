# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What restic's exit codes mean, as data. They are documented in its manual, "Scripting"."""

from __future__ import annotations

from typing import Dict, NamedTuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

OK, FAILED, INCOMPLETE, NO_REPOSITORY, LOCKED, WRONG_PASSWORD, INTERRUPTED = 0, 1, 3, 10, 11, 12, 130


class Exit(NamedTuple):
    """`code` is the error code of our results; `advice` is what the operator does."""

    code: str
    what: str
    advice: str


EXITS: Dict[int, Exit] = {
    FAILED: Exit("restic_failed", "failed", "See what it says, and run again"),
    INCOMPLETE: Exit("restic_incomplete", "could not read everything", "Run as a user who may, or exclude it"),
    NO_REPOSITORY: Exit(
        "repository_missing", "found no repository",
        "Look at the address and what is mounted there, or set init to true"
    ),
    LOCKED: Exit(
        "repository_locked", "found the repository locked",
        "Wait for who holds the lock, or, where that one is gone, call restic unlock",
    ),
    WRONG_PASSWORD: Exit(
        "wrong_password", "could not open the repository with this password",
        "Look at the secret that password names; nothing was made or changed",
    ),
    INTERRUPTED: Exit("restic_interrupted", "was interrupted", "Run again: it goes on where it stopped"),
}  # fmt: skip


def failure(code: int, command: str, address: str, said: str) -> UpkeepError:
    """The error of a call that ended with `code`. `address` and `said` hold no secret."""
    known = EXITS.get(code, EXITS[FAILED])
    quoted = " ".join(said.split()).rstrip(".") or "it gave no reason"
    message = f"repository: restic {command} {known.what} at {address} (exit {code}): {quoted}. {known.advice}."
    return UpkeepError(known.code, message, rc=code, repository=address)
