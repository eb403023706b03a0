# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's keys and what OpenSSH reads: a key pair for the user, a key for each host, known_hosts, ssh_config.

All of it is made for this lab, under the clone's ignored state/lab, and is gone with it.
"""

from __future__ import annotations

from pathlib import Path

from lab.fleet import HOSTS, STATE, USER
from lab.run import run

USER_KEY = STATE / "id_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
SSH_CONFIG = STATE / "ssh_config"


def host_key(name: str) -> Path:
    return STATE / "host_keys" / name


def ensure() -> None:
    """Make the keys that are not there yet."""
    for folder in (STATE.parent, STATE, STATE / "host_keys"):
        folder.mkdir(mode=0o700, exist_ok=True)
    for path, comment in [(USER_KEY, "lab"), *((host_key(host.name), host.name) for host in HOSTS)]:
        if not path.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))


def write_config(addresses: dict[str, str]) -> None:
    """Say to OpenSSH where the hosts are and by which key each is known. `addresses`: host name -> IP address."""
    lines = []
    known = []
    for name, address in addresses.items():
        lines += [f"Host {name}", f"  HostName {address}", f"  HostKeyAlias {name}"]
        kind, key, *_ = host_key(name).with_suffix(".pub").read_text().split()
        known.append(f"{name} {kind} {key}")
    lines += [
        f"Host {' '.join(addresses)}",
        f"  User {USER}",
        f'  IdentityFile "{USER_KEY}"',
        "  IdentitiesOnly yes",
        f'  UserKnownHostsFile "{KNOWN_HOSTS}"',
        "  GlobalKnownHostsFile /dev/null",
        "  StrictHostKeyChecking yes",
        "  PasswordAuthentication no",
        "  ConnectTimeout 4",
    ]
    KNOWN_HOSTS.write_text("\n".join(known) + "\n")
    SSH_CONFIG.write_text("\n".join(lines) + "\n")
