# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The package files that went through a patch run: what one run installs is what a later one replaces.

A folder beside the runs, of hard links where the file system has them: it costs no room while the run's own folder is
there, and tidied it holds at most a file for each package that is installed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Callable, List, Sequence

from .. import state


def folder() -> str:
    """Where it is; not made here."""
    return os.path.join(state.state_dir(), "patch", "pool")


def add(path: str) -> None:
    """Remember a package file under its own name. One that is there already under that name is replaced."""
    with contextlib.suppress(OSError):  # without it the next run downloads the file, or says that it cannot
        place(path, os.path.join(state.ensure("patch", "pool"), os.path.basename(path)))


def find(name: str, others: Sequence[str] = ()) -> List[str]:
    """The files of that name: here, in what the runs on this host still have, and in the folders `others`."""
    runs = os.path.join(state.state_dir(), "patch", "runs")
    places = [folder()]
    for run in sorted(_names(runs), reverse=True):
        places += [os.path.join(runs, run, "kept"), os.path.join(runs, run, "new")]
    found = (os.path.join(place, name) for place in (*places, *others))
    return [path for path in found if os.path.isfile(path) and not os.path.islink(path)]


def tidy(wanted: Callable[[str], bool]) -> None:
    """Remove the files whose names are not `wanted` any more."""
    for name in _names(folder()):
        if not wanted(name):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder(), name))


def place(source: str, target: str) -> None:
    """`source` at `target`, too, as a link or a copy (0600), there whole or not at all. Raises OSError."""
    beside = target + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    try:
        # A link to a file that others may write would let them change ours later.
        if _others_write(source):
            raise OSError
        os.link(source, beside)
    except OSError:
        shutil.copyfile(source, beside)
        os.chmod(beside, 0o600)
    os.rename(beside, target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)  # rename(2) of two links to one file leaves both


def _others_write(path: str) -> bool:
    status = os.stat(path)
    return status.st_uid != os.geteuid() or bool(status.st_mode & 0o022)


def _names(path: str) -> List[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
