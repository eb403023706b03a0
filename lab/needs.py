# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the lab needs from the system, and its installation where that is ours to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from lab.fleet import LabError

# Program -> Debian package. /usr/lib/podman is where podman looks for its network programs.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    "iptables": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
PLACES = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/lib/podman", "/usr/libexec/podman")
)


NOT_ROOT = "the lab needs root: its hosts run systemd in privileged containers"


def missing() -> dict[str, str]:
    """Programs that this machine lacks, with the Debian package of each."""
    from_stock = os.environ.get("UPKEEP_LAB_IMAGE")
    needed = {name: package for name, package in PROGRAMS.items() if not (from_stock and name == "mmdebstrap")}
    return {name: package for name, package in needed.items() if not shutil.which(name, path=PLACES)}


def why_not() -> str | None:
    """Why this machine cannot hold a lab, in a sentence, or None if it can, perhaps after an installation."""
    if os.geteuid() != 0:
        return NOT_ROOT
    if not Path("/sys/fs/cgroup").is_dir():
        return "the lab needs cgroups, and /sys/fs/cgroup is not there"
    lacks = missing()
    if lacks and not shutil.which("apt-get"):
        return f"the lab needs {', '.join(lacks)}: install them and run again"
    return None


def install() -> None:
    """Install what is missing. LabError if this machine cannot hold a lab."""
    if reason := why_not():
        raise LabError(reason)
    if not missing():
        return
    packages = sorted(set(missing().values()))
    print(f"  installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # --no-upgrade: what the machine has stays as it is, this is no patch run.
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-upgrade", *packages]
    for prepare in ([], ["apt-get", "update", "-q"]):
        if prepare:
            subprocess.run(prepare, capture_output=True, env=environment, check=False)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode == 0 and not missing():
            return
    said = (done.stderr.strip() or "no reason given").splitlines()[-1]
    raise LabError(f"apt-get could not install {' '.join(packages)}: {said}")
