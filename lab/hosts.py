# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lab host's life: created from an image, started, stopped, frozen into a snapshot, brought back to one, removed."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from pathlib import Path

from lab import images, keys
from lab.fleet import LAB, LABEL, LIMITS, USER, Host, LabError
from lab.run import podman, run, succeeds

# Its kernel is the controller's: a host may read what is set there, and must not change it, as its systemd would.
INIT = """
mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
name=$(cat /proc/sys/kernel/hostname)
grep -qsw "$name" /etc/hosts || printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$name" >>/etc/hosts
exec /sbin/init
"""
BOOT_SECONDS = 60
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def network() -> ipaddress.IPv4Network:
    """The lab's own network, made if it is not there."""
    if not succeeds("podman", "network", "exists", LAB):
        podman("network", "create", "--label", LABEL, LAB)
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
        "--ip", address(host), "--no-hosts", "--systemd=always", "--privileged", *LIMITS,
        image, "sh", "-c", INIT,
    )  # fmt: skip


def start(host: Host, image: str | None = None) -> None:
    """Make the host run and answer. `image`: what to create it from if it is absent; its release's image by default."""
    if state(host) in ("created", "configured", "initialized"):  # somebody was stopped while making it
        podman("rm", "-f", host.container)
    if state(host) == "absent":
        create(host, image or images.image(host.release))
    if state(host) == "paused":
        podman("unpause", host.container)
    elif state(host) != "running":
        _put_host_key(host)  # before sshd looks for one
        podman("start", host.container)
    _wait_until_booted(host)
    _put_keys(host)
    _log_in(host)


def stop(host: Host) -> None:
    _hang_up(host)
    if state(host) in ("running", "paused"):
        succeeds("podman", "unpause", host.container)
        podman("stop", "-t", "5", host.container)


def remove(host: Host) -> None:
    stop(host)
    # On a busy machine podman lets go of it late, and says so by failing.
    for _attempt in range(5):
        succeeds("podman", "rm", "-f", "-t", "0", host.container)
        if state(host) == "absent":
            return
        time.sleep(1)
    raise LabError(f"podman does not remove {host.container}: try `podman rm -f {host.container}`")


def snapshot(host: Host, name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,60}", name):
        raise LabError(f"{name!r} is no name for a snapshot: small letters, digits, and . _ - within")
    if state(host) == "absent":
        raise LabError(f"{host.name} is not there to be frozen: make lab")
    podman("commit", "-q", "--change", f"LABEL {LABEL}", host.container, snapshot_image(host, name))


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
        if said in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise LabError(f"{host.name} did not boot within {BOOT_SECONDS} s (it is {said}): make lab-reset HOST={host.name}")


def _put_keys(host: Host) -> None:
    """The lab's keys on a running host: its own if it has another, and the user's into the controller's account."""
    public = keys.host_key(host.name).with_suffix(".pub").read_text().strip()
    if not succeeds("podman", "exec", host.container, "grep", "-qxF", public, f"{HOST_KEY}.pub"):
        _put_host_key(host)
        podman("exec", host.container, "sh", "-c", "systemctl reset-failed ssh; systemctl restart ssh")
    script = (
        f"install -d -m 700 -o {USER} -g {USER} ~{USER}/.ssh && cat >~{USER}/.ssh/authorized_keys && "
        f"chown {USER}: ~{USER}/.ssh/authorized_keys"
    )
    user_key = keys.USER_KEY.with_suffix(".pub").read_text()
    podman("exec", "-i", host.container, "sh", "-c", script, stdin=user_key)


def _put_host_key(host: Host) -> None:
    key = keys.host_key(host.name)
    podman("cp", str(key), f"{host.container}:{HOST_KEY}")
    podman("cp", f"{key}.pub", f"{host.container}:{HOST_KEY}.pub")


def _log_in(host: Host) -> None:
    """The host is up when one can log in as the controller will."""
    said = ""
    for _attempt in range(20):
        try:
            run("ssh", "-F", str(keys.SSH_CONFIG), "-o", "BatchMode=yes", host.name, "true", timeout=20)
            return
        except LabError as error:
            said = str(error)
            time.sleep(0.3)
    raise LabError(f"{host.name} booted, but nobody can log in ({said}): make lab-reset HOST={host.name}")
