# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observation files: `runs/<run_id>/hosts/<host>/<phase>[.<n>].json`, written whole and never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import locks, names, runs
from .observation import Observation, Part, combined

# Every recording of a run by (host, phase), each list in the order in which it was made.
Recordings = dict[tuple[str, str], list[Observation]]

_PHASE = re.compile(r"[a-z][a-z0-9_]{0,40}")
_FILE = re.compile(r"(?P<phase>[a-z][a-z0-9_]*)(?:\.(?P<n>[0-9]+))?\.json")


def validated_phase(phase: str) -> str:
    """`phase` if it is fit for a file name. Raises UpkeepError `bad_phase`."""
    if not _PHASE.fullmatch(phase):
        raise UpkeepError(
            "bad_phase", f"the phase {phase!r} is no phase: use lower-case letters, digits and underscores."
        )
    return phase


def host_folder(home: Path, run_id: str, host: str) -> Path:
    """Where the observations of one host in one run are."""
    return runs.folder(home, run_id) / "hosts" / names.encode(host)


def add(home: Path, observation: Observation) -> Path:
    """Write `observation` beside those that there are of its host and phase; returns its file."""
    place = host_folder(home, observation.run_id, observation.host)
    with locks.exclusive(runs.folder(home, observation.run_id) / ".lock"):
        taken = [found[0] for found in _files(place, observation.phase)]
        suffix = f".{max(taken) + 1}" if taken else ""
        path = place / f"{observation.phase}{suffix}.json"
        atomic.write_json(str(path), observation.document())
    return path


def recorded(home: Path, run_id: str, host: str, phase: str) -> list[Observation]:
    """Every recording of one host and phase in one run, in the order in which they were made."""
    found = [_read(path, run_id, host, phase) for n, path in _files(host_folder(home, run_id, host), phase)]
    return [observation for observation in found if observation is not None]


def seen(home: Path, run_id: str, host: str, phase: str) -> Observation | None:
    """What the recordings of one host and phase in one run say together, or None where there are none."""
    found = recorded(home, run_id, host, phase)
    return combined(found) if found else None


def recordings(home: Path, run_id: str) -> Recordings:
    """Every recording of a run, by host and phase in their order."""
    found: Recordings = {}
    try:
        places = sorted((runs.folder(home, run_id) / "hosts").iterdir())
    except FileNotFoundError:
        return found
    for place in places:
        host = names.decode(place.name) or place.name
        for phase in sorted({match["phase"] for match in map(_FILE.fullmatch, _names(place)) if match}):
            for _number, path in _files(place, phase):
                told = _read(path, run_id, host, phase)
                if told is not None:
                    found.setdefault((told.host, phase), []).append(told)
    return found


def all_seen(home: Path, run_id: str) -> Iterator[Observation]:
    """What a run saw, by host and phase."""
    return (combined(found) for found in recordings(home, run_id).values())


def of_process(run: runs.Run, found: Recordings, process: str) -> Recordings:
    """Those of the recordings that one process of the run made, and what is unreadable where it set out to look."""
    expected = set(run.of_process(process).expected())
    own = {
        pair: [each for each in those if each.process == process or (_is_unreadable(each) and pair in expected)]
        for pair, those in found.items()
    }
    return {pair: those for pair, those in own.items() if those}


def missing(run: runs.Run, found: Mapping[tuple[str, str], Sequence[Observation]]) -> list[tuple[str, str]]:
    """The (host, phase) pairs that an opening of `run` set out to observe and that neither it nor a later one recorded.

    What an earlier process of the same run id left does not stand in for what the last one did not see.
    """
    pairs: dict[tuple[str, str], None] = {}
    for number, opening in enumerate(run.openings):
        since = {later.get("process") for later in run.openings[number:]}
        for pair in runs.pairs([opening]):
            seen_since = (each for each in found.get(pair, ()) if each.process in since or _is_unreadable(each))
            if all(each.is_controllers_own for each in seen_since):
                pairs[pair] = None
    return list(pairs)


def _names(place: Path) -> list[str]:
    try:
        return [entry.name for entry in place.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(place: Path, phase: str) -> list[tuple[int, Path]]:
    found = []
    for name in _names(place):
        match = _FILE.fullmatch(name)
        if match and match["phase"] == phase:
            found.append((int(match["n"] or 1), place / name))
    return sorted(found)


def _read(path: Path, run_id: str, host: str, phase: str) -> Observation | None:
    file = "/".join(path.parts[-5:])  # runs/<run_id>/hosts/<host>/<file>
    try:
        found = Observation.from_document(json.loads(path.read_bytes()))
        found.parts = [{**part, "file": file} for part in found.parts]
        return found
    except FileNotFoundError:  # pruned meanwhile
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        # Evidence that cannot be read is not evidence of anything.
        told = Observation(run_id, "", host, host, phase, "unknown", None, "", "")
        told.hold([Part(None, "unknown", f"unreadable: {file} ({_one_line(error)})", file=file)], False)
        return told


def _is_unreadable(observation: Observation) -> bool:
    return observation.process is None and observation.status == "unknown"


def _one_line(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
