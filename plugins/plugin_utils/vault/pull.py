# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a file into the vault: on from where it stopped, connected anew when the connection is lost, and hashed."""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .part import Part
from .ways import Way

# Pauses in seconds before the next attempt, as long as nothing more came; then it is given up.
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
# However much comes each time: a line that drops this often needs a person.
MOST_CONNECTIONS = 50
_LOST = ("connection_lost", "host_unreachable")


@dataclass
class Pulled:
    """How it went: bytes that came over, where it went on, connections that it took, seconds."""

    bytes: int = 0
    resumed_from: int = 0
    connections: int = 0
    seconds: float = 0.0


class Replaced(Exception):
    """Another file lies there now, or this one is not what its manifest says."""


@dataclass
class Puller:
    """`tell` is called with (bytes done, bytes wanted) as they come; `pause` waits."""

    way: Way
    tell: Callable[[int, int], None] = lambda done, wanted: None
    pause: Callable[[float], None] = time.sleep
    pauses: Sequence[float] = PAUSES

    def pull(self, part: Part) -> Pulled:
        """Until the part is whole. Raises UpkeepError, OSError, and Replaced for a file that is not the one wanted.

        What was there before and does not fit is pulled again from its beginning, once.
        """
        began, gone = time.monotonic(), Pulled(resumed_from=part.resumed_from)
        is_fresh = part.resumed_from == 0
        while True:
            self._fill(part, gone)
            if part.is_whole:
                gone.seconds = time.monotonic() - began
                return gone
            if is_fresh:
                raise Replaced
            part.begin_again()
            is_fresh, gone.resumed_from = True, 0

    def _fill(self, part: Part, gone: Pulled) -> None:
        failed = 0
        while part.missing:
            before = part.done
            gone.connections += 1
            try:
                self._once(part)
            except UpkeepError as error:
                failed = 1 if part.done > before else failed + 1
                gone.bytes += part.done - before
                if error.code not in _LOST or failed > len(self.pauses) or gone.connections >= MOST_CONNECTIONS:
                    raise
                self.pause(self.pauses[failed - 1])
            else:
                gone.bytes += part.done - before
                return  # the file ended

    def _once(self, part: Part) -> None:
        wanted = part.wanted
        # Closed before the connection is: so is the file on the host.
        with self.way.opened() as begin, contextlib.closing(begin(wanted.path, part.done, wanted.bytes)) as pieces:
            while piece := _following(pieces, wanted.path):
                part.take(piece)
                self.tell(part.done, wanted.bytes)


def _following(pieces: Iterator[bytes], path: str) -> bytes:
    """The next piece, empty at the end. What the host says of its file is no trouble with ours."""
    try:
        return next(pieces, b"")
    except FileNotFoundError:
        raise Replaced
    except OSError as error:
        raise UpkeepError("archive_unreadable", f"archive: {path} cannot be read there ({error.strerror or error}).")


def check_room(folder: Path, needed: int) -> None:
    """Raises UpkeepError `controller_full` where `folder` has not that many bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = f"the vault: {folder} has {free} bytes free, and {needed} are to come; nothing was pulled. Make room."
        raise UpkeepError("controller_full", message, free=free, required=needed)


def written(error: OSError, folder: Path) -> UpkeepError:
    """Why the vault could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        told = f"the vault: {folder} is full ({error.strerror}); what came of the archive was removed. Make room."
        return UpkeepError("controller_full", told)
    return UpkeepError(
        "vault_unwritable", f"the vault: {error.filename or folder} cannot be written ({error.strerror})."
    )
