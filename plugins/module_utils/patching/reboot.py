# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's part in its reboot: look whether it can come back, note it, ask for it, and know it for done.

The note stands in the run's state as `reboot`: {"asked_at","boot","expected_kernel","leg","run_id","back_at",
"boot_after"}. `leg` tells the reboot after the update (`apply`) from the one after the way back (`back`); `run_id` is
the run that noted it; `back_at` is null until it is done.
"""

from __future__ import annotations

import subprocess
from typing import Any, Dict, Optional

from .. import times
from ..errors import UpkeepError
from ..packages.host import is_container
from . import folder, job, kernel_files, snapshot, systemd

_DELAY = 2  # seconds: for the answer to leave the host before the connection goes
# `systemctl is-system-running` while the system is on its way up or down.
_UNSETTLED = ("initializing", "starting", "stopping")


def prepare(patch_id: str, expected_kernel: Optional[str], check_mode: bool = False) -> Dict[str, Any]:
    """The note, written unless in check mode; one of this leg that is there already is kept.

    Raises UpkeepError `initramfs_missing` (nothing was noted), and those of the run's folder.
    """
    state = folder.state_of(patch_id)
    noted = _of_this_leg(state)
    if noted:
        return noted
    trouble = kernel_files.problem(expected_kernel) if expected_kernel and not is_container() else None
    if trouble:
        raise UpkeepError(
            "initramfs_missing",
            f"This host was not rebooted, since it might not come back: {trouble}. Make room in /boot, have the "
            "initramfs made again (update-initramfs or dracut), and run the patch run again.",
            expected_kernel=expected_kernel,
        )
    note = {
        "asked_at": times.iso(times.now()),
        "boot": snapshot.boot(),
        "expected_kernel": expected_kernel,
        "leg": _leg(state),
        "run_id": state["run_ids"][-1],
        "back_at": None,
        "boot_after": None,
    }
    if not check_mode:
        folder.note(patch_id, reboot=note)
    return note


def look(patch_id: str) -> Dict[str, Any]:
    """{"rebooted","settled","state","boot_before","boot","container"}: whether this is another boot than the noted one,
    and whether the system is done with starting (`systemctl is-system-running`). What is done is noted as done.

    Raises UpkeepError `reboot_unnoted`, and those of the run's folder.
    """
    state = folder.state_of(patch_id)
    noted = _of_this_leg(state) or _unnoted(patch_id, state)
    boot = snapshot.boot()
    rebooted = bool(noted["back_at"]) or snapshot.same_boot(noted["boot"], boot) is False
    system = _system_state()
    settled = system not in _UNSETTLED
    if rebooted and settled and not noted["back_at"]:
        folder.note(patch_id, reboot={**noted, "back_at": times.iso(times.now()), "boot_after": boot})
    return {
        "rebooted": rebooted,
        "settled": settled,
        "state": system,
        "boot_before": noted["boot"],
        "boot": boot,
        "container": is_container(),
    }


def ask(patch_id: str) -> None:
    """Ask for the noted reboot, unless it has happened. Raises UpkeepError: `apply_running`, where it would cut off the
    package manager."""
    if look(patch_id)["rebooted"]:
        return
    where = folder.Folder(patch_id)
    if any(job.look(where.job(direction)).job == "running" for direction in ("apply", "back")):
        raise UpkeepError(
            "apply_running",
            f"This host was not rebooted, since the package manager works in the run {patch_id}: let that end, then "
            "run the patch run again.",
        )
    _trigger()


def _trigger() -> None:
    """The reboot in two seconds, by a process that lives without this one and its connection."""
    if systemd.present():
        # A unit of its own: what is in the connection's unit may end with the connection.
        timer = ["systemd-run", "--quiet", f"--on-active={_DELAY}s", "--timer-property=AccuracySec=100ms"]
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [*timer, "systemctl", "reboot"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
        if done.returncode == 0:
            return
    subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        ["sh", "-c", f"sleep {_DELAY}; systemctl reboot || reboot"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _leg(state: Dict[str, Any]) -> str:
    return "back" if state.get("stage") == "rolling_back" else "apply"


def _of_this_leg(state: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    noted = state.get("reboot")
    if not noted or noted.get("leg", "apply") != _leg(state):
        return None
    # A run is applied once, but may be taken back again by a later one, with a reboot of its own.
    done_before = noted["leg"] == "back" and noted["back_at"] and noted["run_id"] != state["run_ids"][-1]
    return None if done_before else noted


def _unnoted(patch_id: str, state: Dict[str, Any]) -> Dict[str, Any]:
    """What the note would be where nobody noted it: the run began in the boot before. Raises UpkeepError."""
    if _leg(state) == "back":
        raise UpkeepError(
            "reboot_unnoted",
            "Nobody noted in which boot this host was before: use patch_reboot with prepare: true before anything "
            "reboots it.",
        )
    boot = folder.before_of(patch_id)["boot"]
    return {"asked_at": None, "boot": boot, "expected_kernel": None, "leg": "apply", "run_id": None, "back_at": None}


def _system_state() -> str:
    """The word of systemd for the system's state; `unknown` without it."""
    if not systemd.present():
        return "unknown"
    try:
        return systemd.call("is-system-running").stdout.strip() or "unknown"
    except UpkeepError:
        return "starting"  # it does not answer yet
