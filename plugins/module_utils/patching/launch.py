# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Start a program that outlives the connection, the session and the module that started it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from typing import List, Optional, Sequence, Tuple

from ..errors import UpkeepError
from ..packages._run import run
from . import systemd

_RUNS = "systemd-run"
# KillMode: a stop asks the runner alone, which ends after the step it is in; SendSIGKILL: nobody interrupts dpkg.
_PROPERTIES = (
    "KillMode=process",
    "SendSIGKILL=no",
    "TimeoutStopSec=900",
    "OOMScoreAdjust=-500",
    "StandardInput=null",
    "Restart=no",
)


def launch(argv: Sequence[str], unit: str, description: str) -> Tuple[Optional[str], Optional[str]]:
    """(the unit that runs `argv`, or None where it got a session of its own; then why).

    A unit of that name that failed before is forgotten first.
    """
    if not systemd.present():
        why = systemd.ABSENT
    elif not shutil.which(_RUNS):
        why = "this host has no systemd-run"
    else:
        forget(unit)
        properties = [f"--property={each}" for each in _PROPERTIES]
        command = [_RUNS, "--quiet", f"--unit={unit}", f"--description={description}", *properties, "--", *argv]
        try:
            run(command, timeout=60)
            return unit, None
        except UpkeepError as error:
            # It may have been started all the same (the answer got lost): the journal's lock lets only one of them run.
            why = error.message
    detach(argv)
    return None, why


def forget(unit: str) -> None:
    """Clear the failed state that a unit may have left."""
    with contextlib.suppress(UpkeepError):
        systemd.call("reset-failed", unit)


def is_active(unit: str) -> bool:
    """Whether a unit runs or is about to."""
    try:
        shown = systemd.show([unit], ["ActiveState"])
    except UpkeepError:
        return False
    return any(each.get("ActiveState") in ("active", "activating", "deactivating", "reloading") for each in shown)


def detach(argv: Sequence[str]) -> None:
    """Run `argv` in a session of its own, a child of process 1, with no descriptor of ours. Raises OSError."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _become(list(argv))
        finally:
            os._exit(127)
    os.waitpid(child, 0)


def _become(argv: List[str]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, 65536)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)  # what was ignored stays so across exec
    os.execve(argv[0], argv, {"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
