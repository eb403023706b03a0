# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab host's life: created from an image, started, stopped, frozen into a snapshot, brought back to one, removed."""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from pathlib import Path

from lab import images, keys
from lab.fleet import LAB, USER, Host, LabError
from lab.run import podman, succeeds

# The defaults of these limits are above what a machine without CAP_SYS_RESOURCE may grant.
LIMITS = (
    "--ulimit=nofile=1024:20000",
    "--ulimit=nproc=1000:1000",
    "--ulimit=memlock=8388608:8388608",
    "--pids-limit=0",
)
BOOT_SECONDS = 60


def network() -> ipaddress.IPv4Network:
    """The lab's own network, made if it is not there."""
    if not succeeds("podman", "network", "exists", LAB):
        podman("network", "create", LAB)
    told = json.loads(podman("network", "inspect", LAB))[0]
    return ipaddress.IPv4Network(told["subnets"][0]["subnet"])


def address(host: Host) -> str:
    return str(network()[host.number])


def snapshot_image(host: Host, name: str) -> str:
    return f"localhost/{LAB}-{host.name}-snapshot:{name}"


def state(host: Host) -> str:
    """`running`, `exited`, `paused`, … or `absent`."""
    if not succeeds("podman", "container", "exists", host.container):
        return "absent"
    return podman("inspect", "--format", "{{.State.Status}}", host.container)


def create(host: Host, image: str) -> None:
    podman(
        "create", "--runtime=runc", "--name", host.container, "--hostname", host.name, "--network", LAB,
        "--ip", address(host), "--systemd=always", "--privileged", *LIMITS, image, "/sbin/init",
    )  # fmt: skip
    key = keys.host_key(host.name)
    podman("cp", str(key), f"{host.container}:/etc/ssh/ssh_host_ed25519_key")
    podman("cp", f"{key}.pub", f"{host.container}:/etc/ssh/ssh_host_ed25519_key.pub")


def start(host: Host, image: str | None = None) -> None:
    """Make the host run and answer. `image`: what to create it from if it is absent; its release's image by default."""
    if state(host) == "absent":
        create(host, image or images.image(host.release))
    if state(host) == "paused":
        podman("unpause", host.container)
    elif state(host) != "running":
        podman("start", host.container)
    _wait_until_booted(host)
    _let_in(host)


def stop(host: Host) -> None:
    _hang_up(host)
    if state(host) in ("running", "paused"):
        succeeds("podman", "unpause", host.container)
        podman("stop", "-t", "5", host.container)


def remove(host: Host) -> None:
    stop(host)
    succeeds("podman", "rm", "-f", host.container)


def snapshot(host: Host, name: str) -> None:
    if state(host) == "absent":
        raise LabError(f"{host.name} is not there to be frozen: make lab")
    podman("commit", "-q", host.container, snapshot_image(host, name))


def reset(host: Host, name: str | None) -> None:
    """Bring the host back to a snapshot, or to its first state."""
    image = snapshot_image(host, name) if name else images.image(host.release)
    if not succeeds("podman", "image", "exists", image):
        raise LabError(f"{host.name} has no snapshot {name}" if name else f"{host.name} has no image: make lab")
    remove(host)
    start(host, image)


def shell(host: Host, *argv: str) -> str:
    """Run a program on the host as root, past sshd."""
    return podman("exec", host.container, *argv)


def _hang_up(host: Host) -> None:
    """Close the connection that Ansible keeps open, which would wait for a host that is gone."""
    if keys.SSH_CONFIG.exists():
        where = Path.home() / ".ansible" / "cp" / "%C"
        succeeds("ssh", "-F", str(keys.SSH_CONFIG), "-o", f"ControlPath={where}", "-O", "exit", host.name)


def _wait_until_booted(host: Host) -> None:
    until = time.monotonic() + BOOT_SECONDS
    said = ""
    while time.monotonic() < until:
        try:
            said = podman("exec", host.container, "systemctl", "is-system-running", timeout=10)
        except LabError as error:
            said = str(error).rpartition(": ")[2]
        if said in ("running", "degraded") and _answers(address(host)):
            return
        time.sleep(0.2)
    raise LabError(f"{host.name} did not come up within {BOOT_SECONDS} s (it is {said}): podman logs {host.container}")


def _answers(where: str) -> bool:
    try:
        with socket.create_connection((where, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _let_in(host: Host) -> None:
    """The user's key, into the account that the controller uses."""
    public = keys.USER_KEY.with_suffix(".pub").read_text()
    script = (
        f"install -d -m 700 -o {USER} -g {USER} ~{USER}/.ssh && cat >~{USER}/.ssh/authorized_keys && "
        f"chown {USER}: ~{USER}/.ssh/authorized_keys"
    )
    podman("exec", "-i", host.container, "sh", "-c", script, stdin=public)
