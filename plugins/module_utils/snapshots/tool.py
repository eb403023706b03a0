# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a file system's tool: in one locale, bounded in time, never asking."""

from __future__ import annotations

import os
import subprocess

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_S = 300


def run(*argv: str) -> str:
    """What it prints. UpkeepError `snapshot_failed` with what it said, `snapshot_unavailable` where it is missing."""
    path = os.environ.get("PATH") or ""
    environment = {**os.environ, "LC_ALL": "C", "PATH": f"{path}:{_PATH}" if path else _PATH}
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        message = f"snapshot: this host has no {argv[0]}; install it, or set snapshot to none."
        raise UpkeepError("snapshot_unavailable", message, program=argv[0])
    except subprocess.TimeoutExpired:
        raise UpkeepError("snapshot_failed", f"snapshot: {' '.join(argv)} did not end within {_TIMEOUT_S} s.")
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split()) or "it said nothing"
        message = f"snapshot: {' '.join(argv)} failed with exit code {done.returncode}: {said[:500]}"
        raise UpkeepError("snapshot_failed", message, command=argv[0])
    return done.stdout.decode("utf-8", "surrogateescape")
