# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which releases the fleet runs, from the last patch level of every host that any run has seen."""

from __future__ import annotations

from pathlib import Path

from .. import names, observations, runs
from . import releases


def releases_seen(home: Path) -> set[str]:
    """`{"debian:12", …}`: those that some source may speak of. Empty where no patch level is recorded."""
    found: set[str] = set()
    known: set[str] = set()
    for run in runs.newest_first(home):
        for host in _hosts(home, run.run_id):
            if host in known:
                continue
            seen = observations.seen(home, run.run_id, host, "patch_level")
            told = seen.data.get("host") if seen is not None and isinstance(seen.data, dict) else None
            if isinstance(told, dict) and told.get("os_id"):
                known.add(host)
                key = releases.key(told["os_id"], told.get("os_version"))
                found |= {key} if key else set()
    return found


def _hosts(home: Path, run_id: str) -> list[str]:
    try:
        places = sorted((runs.folder(home, run_id) / "hosts").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [names.decode(place.name) or place.name for place in places]
