# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What earlier runs know: the last word on a host's phase, and which runs may go without losing one.

A word is what a recording says of one set (or of the whole phase). A set that was skipped says nothing; nor does a
recording of the controller's own workflows say anything of the controller as a managed host.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import observations, runs
from .observation import Observation, combined

# In other phases a recording says all that there is to say.
_WITH_SETS = {"backup", "restore_test"}
# What stays of a run that is removed.
KEPT = "remediation.json"
# (host, phase, the recording's name, the set)
Word = tuple[str, str, "str | None", "str | None"]


def last_seen(
    home: Path, newest_first: Sequence[runs.Run], host: str, phase: str, controllers_own: bool = False
) -> Observation | None:
    """The newest word on each set of this host and phase, together; where all were skipped ever, the last of those."""
    telling: list[Observation] = []
    skipped: Observation | None = None
    for run in newest_first:
        for each in reversed(observations.recorded(home, run.run_id, host, phase)):
            if each.is_controllers_own != controllers_own:
                continue
            told = _telling(each)
            if told is not None:
                telling.append(told)
            skipped = skipped or each
        if telling and phase not in _WITH_SETS:
            break
    return combined(telling[::-1]) if telling else skipped


def prune(home: Path, keep: int) -> list[str]:
    """Remove all but the newest `keep` runs; returns what was removed.

    Never a running one, and never one that holds the last word on anything.
    """
    newest = runs.newest_first(home)
    kept: list[runs.Run] = []
    words: dict[str, set[Word]] = {}
    removed = []
    for index, run in enumerate(newest):
        if index < max(keep, 1) or run.state == "running" or not _is_answered(home, run, kept, words):
            kept.append(run)
            continue
        _remove(runs.folder(home, run.run_id))
        removed.append(run.run_id)
    return removed


def _remove(folder: Path) -> None:
    """Remove a run, but for what it fixed: `audits/remediation.md` tells of that for good."""
    if not (folder / KEPT).exists():
        shutil.rmtree(folder)
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != KEPT:
            entry.unlink()


def _is_answered(home: Path, run: runs.Run, newer: Iterable[runs.Run], words: dict[str, set[Word]]) -> bool:
    left = _words(home, run)
    for other in newer:
        if not left:
            break
        if other.run_id not in words:
            words[other.run_id] = _words(home, other)
        said = words[other.run_id]
        # A failure that names no set is answered by any later word, as in `combined`.
        left -= said | {(host, phase, name, None) for host, phase, name, _set in said}
    return not left


def _words(home: Path, run: runs.Run) -> set[Word]:
    return {
        (host, phase, each.name, part.name)
        for (host, phase), found in observations.recordings(home, run.run_id).items()
        for each in found
        for part in each.outcomes()
        if part.status != "skipped"
    }


def _telling(observation: Observation) -> Observation | None:
    """The observation without what it skipped, or None where nothing is left."""
    parts = [part for part in observation.outcomes() if part.status != "skipped"]
    if not parts or len(parts) == len(observation.parts):
        return observation if parts else None
    left = Observation(**observation.__dict__)
    left.hold(parts, isinstance(observation.data, list))
    return left
