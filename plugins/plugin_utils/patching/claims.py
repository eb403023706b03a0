# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a controller knows of the claims on hosts: its own, and which of them are dead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import processes


def by(user: str) -> dict[str, str]:
    """Who claims a host in this run."""
    return {"user": user, "controller": processes.controller(), "process": processes.this()}


def dead(claim: Mapping[str, Any]) -> str | None:
    """The process of a claim of this controller's if it is known to be dead.

    One of another boot is not: another machine may have the same name. Its claim runs out by itself.
    """
    its = claim.get("by") or {}
    process = str(its.get("process") or "")
    controller, _slash, rest = process.partition("/")
    pid, _slash, identity = rest.partition("/")
    if controller != processes.controller() or not pid.isdecimal():
        return None
    boot, mine = identity.rpartition("/")[0], processes.main_process().identity.rpartition("/")[0]
    if boot != mine or processes.is_alive(int(pid), identity):
        return None
    return process
