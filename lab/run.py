# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that the lab runs: their output when they end well, one line when they do not."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.fleet import LabError


def run(*argv: str, timeout: float = 900, stdin: str | None = None, log: Path | None = None) -> str:
    """Standard output of a program, stripped. LabError with its last line if it fails, is missing or hangs.

    With `log`, all that it said is kept there.
    """
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=stdin, check=False)
    except OSError as error:
        raise LabError(f"{argv[0]} could not be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv[:3])} did not end within {timeout:.0f} s") from None
    if log:
        log.write_text(done.stdout + done.stderr)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        more = f" (all of it: {log})" if log else ""
        raise LabError(f"{' '.join(argv[:3])} failed: {said[-1]}{more}")
    return done.stdout.strip()


def podman(*argv: str, timeout: float = 900, stdin: str | None = None, log: Path | None = None) -> str:
    return run("podman", *argv, timeout=timeout, stdin=stdin, log=log)


def succeeds(*argv: str) -> bool:
    """Whether a program ends well. For questions such as `podman container exists`."""
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
