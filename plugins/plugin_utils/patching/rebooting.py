# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for a host to come back from its reboot, and judging what came back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_PAUSE = 5.0  # seconds between two tries
_LINE = 60.0  # seconds between two lines on the screen


@dataclass(frozen=True)
class Told:
    """What the host said last (`reboot.look`), None if nothing; why it says nothing now; the time it took."""

    look: dict[str, Any] | None
    silence: str | None
    seconds: float


def wait(
    look: Callable[[], dict[str, Any] | str],
    host: str,
    timeout: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Told:
    """Ask the host until it is in another boot and done with starting, or `timeout` seconds are over.

    `look` gives the host's answer, or why there is none. A line a minute goes to `say`.
    """
    begun, said_at = clock(), 0.0
    last: dict[str, Any] | None = None
    while True:
        answer = look()
        silence = answer if isinstance(answer, str) else None
        last = answer if isinstance(answer, dict) else last
        passed = clock() - begun
        done = silence is None and last is not None and last["rebooted"] and last["settled"]
        if done or passed >= timeout:
            return Told(last, silence, passed)
        if passed - said_at >= _LINE:
            said_at = passed
            say(f"{host}: {_meanwhile(last, silence)}, after {passed:.0f} of {timeout:.0f} s")
        sleep(min(_PAUSE, timeout - passed))


def judge(told: Told, host: str, timeout: float, expected_kernel: str | None) -> dict[str, Any]:
    """The `data` of patch_reboot. Raises UpkeepError `reboot_timeout`, `reboot_kernel`, with that data."""
    last = told.look or {}
    rebooted = bool(last.get("rebooted"))
    boot = last.get("boot") if rebooted else None
    finished = times.now()
    data = {
        "rebooted": rebooted,
        "boot_before": last.get("boot_before"),
        "boot": boot,
        "kernel": boot["kernel"] if boot else None,
        "expected_kernel": expected_kernel,
        "state": last.get("state"),
        "settled": rebooted and told.silence is None and bool(last.get("settled")),
        "started": times.iso(finished - timedelta(seconds=told.seconds)),
        "finished": times.iso(finished),
        "duration_ms": round(told.seconds * 1000),
    }
    if not rebooted or told.silence is not None:
        raise UpkeepError("reboot_timeout", _not_back(told, host, timeout), data=data)
    # A container runs its machine's kernel, whatever is installed within.
    if expected_kernel and data["kernel"] != expected_kernel and not last.get("container"):
        raise UpkeepError(
            "reboot_kernel",
            f"{host} came back with the kernel {data['kernel']} and not with {expected_kernel}: look at which one its "
            "boot loader starts by default.",
            data=data,
        )
    return data


def _meanwhile(last: dict[str, Any] | None, silence: str | None) -> str:
    if silence is not None:
        return "waiting for it to come back from its reboot"
    if last is not None and last["rebooted"]:
        return "it is back, and its system is still starting"
    return "it answers, and has not rebooted yet"


def _not_back(told: Told, host: str, timeout: float) -> str:
    if told.silence is None:
        return (
            f"{host} was asked to reboot, answers, and had not done so within {timeout:.0f} seconds: systemctl "
            "list-jobs on it shows what holds it up. Then run the patch run again."
        )
    return (
        f"{host} did not come back from its reboot within {timeout:.0f} seconds ({told.silence.strip().rstrip('.')}): "
        "look at its console. Once it is back, run the patch run again, and it goes on."
    )
