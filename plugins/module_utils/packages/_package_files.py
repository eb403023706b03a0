# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Package files on this host's disk: those that earlier patch runs left, and putting one into a run's folder."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from typing import List, Sequence, Tuple

from .. import state


def of_earlier_runs(pattern: str) -> List[str]:
    """The files that patch runs fetched or kept on this host, the youngest run's first."""
    runs = os.path.join(glob.escape(os.path.join(state.state_dir(), "patch", "runs")), "*")
    return sorted(
        (path for part in ("new", "kept") for path in glob.glob(os.path.join(runs, part, pattern))), reverse=True
    )


def put(path: str, folder: str) -> str:
    """The path of `path`'s copy in `folder`: a hard link where that is possible. Raises OSError."""
    target = os.path.join(folder, os.path.basename(path))
    if os.path.exists(target) and os.path.samefile(path, target):
        return target
    unfinished = f"{target}.unfinished"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished)
    try:
        os.link(path, unfinished)
    except OSError:  # another file system
        shutil.copy2(path, unfinished)
    os.replace(unfinished, target)
    return target


def beside(folders: Sequence[str], suffixes: Tuple[str, ...]) -> List[str]:
    """The paths below `folders` that end in one of `suffixes`, sorted."""
    found = []
    for top in folders:
        for folder, _folders, names in os.walk(top):
            found += [os.path.join(folder, name) for name in names if name.endswith(suffixes)]
    return sorted(set(found))


def matching(folder: str, name: str) -> List[str]:
    """The files of that name anywhere below `folder`."""
    return sorted(glob.glob(os.path.join(glob.escape(folder), "**", name), recursive=True))
