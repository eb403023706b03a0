# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this machine lacks for which command, and the line that installs it. Standard library only."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Need:
    """One thing a command needs: `found` returns what is there, or None. `required`: without it the command fails."""

    name: str
    commands: str
    required: bool
    found: Callable[[], str | None]
    without: str
    debian: str


def _program(*names: str) -> Callable[[], str | None]:
    return lambda: next((path for name in names if (path := shutil.which(name))), None)


def _output(*argv: str) -> str | None:
    """First line that a program prints, or None if it cannot be run or fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or "yes").splitlines()[0] if done.returncode == 0 else None


def _controller_python() -> str | None:
    """A Python that can carry the controller: 3.11 or newer, with venv and ensurepip."""
    test = (
        "import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.executable, sys.version.split()[0])"
    )
    for name in ("python3", "python3.13", "python3.12", "python3.11", "/usr/bin/python3"):
        if found := _output(name, "-c", test):
            return found
    return None


def _venv() -> str | None:
    return _output(str(ROOT / ".venv/bin/ansible-playbook"), "--version")


def _apt_bindings() -> str | None:
    if not shutil.which("apt-get"):
        return "not needed: this is no apt system"
    return _output("/usr/bin/python3", "-c", "import apt_pkg; print('python-apt for', '/usr/bin/python3')")


def _free_space() -> str | None:
    free = shutil.disk_usage(ROOT).free
    return f"{free / 2**30:.1f} GiB free in {ROOT}" if free > 2**30 else None


def _root() -> str | None:
    return "yes" if os.geteuid() == 0 else None


NEEDS = (
    Need(
        "Python 3.11+ with venv", "all", True, _controller_python,
        "nothing can be set up", "apt-get install python3 python3-venv",
    ),
    Need("git", "all", True, _program("git"), "no clone, no update", "apt-get install git"),
    Need("1 GiB of free space", "all", True, _free_space, "backups stop with no_space", "free some space"),
    Need(".venv", "all", False, _venv, "the next make target sets it up", "make venv"),
    Need(
        "root", "maintain", False, _root,
        "sets that need root are skipped, package lists are not refreshed", "run as root",
    ),
    Need(
        "libzstd", "maintain", False, lambda: ctypes.util.find_library("zstd"),
        "archives are gz instead of zst", "apt-get install libzstd1",
    ),
    Need(
        "python3-apt", "maintain", False, _apt_bindings,
        "the patch level is read through commands: the same answer, slower", "apt-get install python3-apt",
    ),
    Need(
        "age", "encryption", False, _program("age"),
        "make backup-key makes no key, and drills open nothing that is encrypted with age", "apt-get install age",
    ),
    Need("ssh", "fleets", False, _program("ssh"), "only this machine can be reached", "apt-get install openssh-client"),
    Need(
        "bsdtar", "test", False, _program("bsdtar"),
        "the read-back by bsdtar is skipped", "apt-get install libarchive-tools",
    ),
    Need(
        "dpkg-scanpackages", "test", False, _program("dpkg-scanpackages"),
        "the tests on a private apt repository are skipped", "apt-get install dpkg-dev",
    ),
)  # fmt: skip


def _key_needs() -> tuple[Need, ...]:
    """A private key that others may read: the run refuses it, and it may be known to them already."""
    exposed = [
        path
        for path in sorted((ROOT / "state/keys").glob("*"))
        if path.is_file() and path.suffix != ".pub" and path.stat().st_mode & 0o077
    ]
    without = "others may read it; if somebody did, make a new key, and encrypt to that from now on"
    return tuple(
        Need(f"mode 0600 of {path.name}", "encryption", True, _told(None), without, f"chmod 0600 {path}")
        for path in exposed
    )


def _told(answer: str | None) -> Callable[[], str | None]:
    return lambda: answer


def _lab_needs() -> tuple[Need, ...]:
    """What the lab needs, as the lab itself says. None of it in an installed package, which brings no lab."""
    if not (ROOT / "lab").is_dir():
        return ()
    sys.path.insert(0, str(ROOT))
    from lab import needs

    lacks = needs.missing()
    without = "no lab; as root on a Debian-like system, make lab installs it"
    return tuple(
        Need(name, "lab", False, _told(None if name in lacks else "yes"), without, f"apt-get install {package}")
        for name, package in needs.PROGRAMS.items()
    )


def run() -> int:
    """Print the table; 1 if something required is missing."""
    missing_required = False
    fixes: list[str] = []
    for need in (*NEEDS, *_key_needs(), *_lab_needs()):
        found = need.found()
        state = "ok" if found else ("MISSING" if need.required else "missing")
        print(f"  {state:8} {need.name:28} {found or need.without + ' (' + need.commands + ')'}")
        if not found:
            missing_required |= need.required
            fixes.append(need.debian)
    if fixes:
        print("\nTo mend it, on a Debian-like system:")
        for fix in dict.fromkeys(fixes):
            print(f"  {fix}")
    else:
        print("\nNothing is missing.")
    print("\nmake test installs what it needs by itself when it runs as root on a Debian-like system.")
    return 1 if missing_required else 0


if __name__ == "__main__":
    sys.exit(run())
