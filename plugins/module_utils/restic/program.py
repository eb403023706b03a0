# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restic program of this host, and whether it is new enough."""

from __future__ import annotations

import re
from typing import Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.dumps import processes
from ansible_collections.proven.upkeep.plugins.module_utils.dumps.model import Failed
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

# The first that tells a missing repository (10), a lock (11) and a wrong password (12) apart by its exit code, and that
# has --skip-if-unchanged. Without them a wrong password looks like a repository that is yet to be made.
FLOOR = (0, 17, 0)
_VERSION = re.compile(r"restic (\d+)\.(\d+)\.(\d+)")


def found(program: str) -> Tuple[str, str]:
    """(path, version) of the program. Raises UpkeepError restic_missing, restic_too_old."""
    path = processes.find(program)
    if path is None:
        message = f"program: this host has no {program}; install restic {_text(FLOOR)} or newer, or name its path."
        raise UpkeepError("restic_missing", message, program=program)
    try:
        said = processes.run([path, "version"], seconds=60).out.decode("utf-8", "replace")
    except Failed as failed:
        message = f"program: {path} does not say its version ({failed.why}); see that it is restic and runs here."
        raise UpkeepError("restic_missing", message, program=path)
    match = _VERSION.search(said)
    version = tuple(map(int, match.groups())) if match else None
    if version is None or version < FLOOR:
        known = _text(version) if version else said.strip()[:80] or "of no known version"
        message = (
            f"program: {path} is restic {known}, and {_text(FLOOR)} is the oldest that says by its exit code what went "
            "wrong; install a newer one and name its path."
        )
        raise UpkeepError("restic_too_old", message, program=path, version=known)
    return path, _text(version)


def _text(version: Tuple[int, ...]) -> str:
    return ".".join(map(str, version))
