# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab as data: its hosts, what is in their images, and where this clone's lab keeps its things."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A clone may have more than one lab: the tests bring their own and leave the operator's alone.
SUFFIX = f"-{os.environ['UPKEEP_LAB']}" if os.environ.get("UPKEEP_LAB") else ""
STATE = ROOT / "state" / f"lab{SUFFIX}"
CACHE = ROOT / ".cache" / "lab"
# Two clones have a lab each: everything that podman knows by name carries the clone's own.
LAB = "upkeep-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:8] + SUFFIX
LABEL = f"upkeep.lab={LAB}"
USER = "ops"


# The defaults of these limits are above what a machine without CAP_SYS_RESOURCE may grant.
LIMITS = (
    "--ulimit=nofile=1024:20000",
    "--ulimit=nproc=1000:1000",
    "--ulimit=memlock=8388608:8388608",
    "--pids-limit=0",
)


class LabError(Exception):
    """What went wrong and what to do about it, in one line."""


@dataclass(frozen=True)
class Host:
    """A lab host. `number` is the last part of its address; inventories/lab says what it is for.

    One that is not `managed` is not in the inventory: it stands for a server that somebody else keeps.
    """

    name: str
    release: str
    number: int
    managed: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def container(self) -> str:
        return f"{LAB}-{self.name}"


HOSTS = (
    Host("web1", "bookworm", 11),
    Host("web2", "trixie", 12),
    Host("db1", "bookworm", 13),
    Host("vault1", "trixie", 14, managed=False),
)

PACKAGES = (
    "age", "ca-certificates", "cron", "curl", "dbus", "iproute2", "openssh-server", "postgresql", "procps", "python3",
    "sudo", "systemd", "systemd-sysv",
)  # fmt: skip
# What a release's image has besides. Where python3-apt is missing, the patch level is read through apt's commands.
# Debian 12's restic is too old.
MORE_PACKAGES = {"bookworm": ("python3-apt",), "trixie": ("rclone", "restic")}


def chosen(names: list[str]) -> tuple[Host, ...]:
    """The hosts of these names; all of them if none is named."""
    known = {host.name: host for host in HOSTS}
    if unknown := sorted(set(names) - set(known)):
        raise LabError(f"the lab has no host {', '.join(unknown)}: it has {', '.join(known)}")
    return tuple(known[name] for name in names) or HOSTS
