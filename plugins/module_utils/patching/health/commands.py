# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that have to end with exit code 0."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

from .answer import Answer, only, seconds_of, since

TIMEOUT = 30  # seconds


@dataclass(frozen=True)
class Command:
    """A program with its arguments, and no shell between."""

    name: str
    argv: Tuple[str, ...]
    timeout: int


def parse(entry: Any) -> Command:
    """{"argv", "name", "timeout"}. ValueError."""
    entry = only(entry, ("name", "argv", "timeout"))
    argv = entry.get("argv")
    if not isinstance(argv, (list, tuple)) or not argv or not all(isinstance(word, (str, int, float)) for word in argv):
        raise ValueError("needs argv, a list of a program and its arguments")
    words = tuple(str(word) for word in argv)
    if not words[0] or any("\0" in word for word in words):
        raise ValueError("has an argv without a program, or with a NUL in it")
    return Command(str(entry.get("name") or os.path.basename(words[0])), words, seconds_of(entry, TIMEOUT))


def look(checks: Sequence[Command]) -> List[Answer]:
    """Runs them one after the other."""
    return [_run(check) for check in checks]


def _run(check: Command) -> Answer:
    """What it prints is thrown away: it may hold secrets, and evidence is kept for years. Its exit code tells."""
    begun = time.monotonic()
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            check.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return Answer(False, f"{check.argv[0]} could not be started: {error.strerror}", since(begun))
    try:
        code = process.wait(check.timeout)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Answer(False, f"did not end within {check.timeout} seconds and was stopped", since(begun))
    why = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    return Answer(code == 0, why, since(begun))
