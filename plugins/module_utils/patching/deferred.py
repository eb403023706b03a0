# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which units are not restarted though they run replaced code: a restart would do more harm than that."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Tuple

from . import systemd

# What needrestart leaves alone by its defaults, too, but for systemd-journald: a restart has kept its streams since
# systemd 219, and distributions restart it themselves when they renew it.
REASONS: Tuple[Tuple[str, str], ...] = (
    (r"dbus(-broker|-daemon)?", "what talks over the system bus, logins among it, breaks when the bus goes"),
    (r"(systemd-logind|elogind)", "a restart can end the sessions of those who are logged in"),
    (r"(user|user-runtime-dir)@.*", "it is a user's session"),
    (r"(getty|serial-getty|console-getty|container-getty|autovt).*", "somebody may be logged in on that console"),
    (r"(emergency|rescue|rc-local).*", "it is started by the system's start alone"),
    (
        r"(gdm|kdm|nodm|sddm|wdm|xdm|lightdm|slim|lxdm|greetd|display-manager|plymouth).*",
        "a restart ends the graphical sessions",
    ),
    (
        r"(NetworkManager|network-manager|systemd-networkd|networking|network|ifup@.*|wpa_supplicant|dhclient|dhcpcd)"
        r"(@.*)?",
        "a restart can cut this host off",
    ),
    (
        r"(openvpn|strongswan|libreswan|openswan|ipsec|tinc|wg-quick|tailscaled|zerotier-one)([-@].*)?",
        "a restart cuts the tunnels, this connection perhaps among them",
    ),
    (r"(bird|bird6|frr|quagga|keepalived)(@.*)?", "a restart drops routes or addresses"),
    (r"(corosync|pacemaker|sbd|drbd.*)", "a cluster may take a restart for a dead node"),
    (r"(iscsid|open-iscsi|multipathd|zfs-fuse|lxcfs)", "mounted file systems hang on it"),
    (r"(docker|xendomains|libvirt.*|virtlogd|virtlockd)", "a restart can stop the containers or machines on it"),
)
_REASONS = tuple((re.compile(rf"{names}\.service"), why) for names, why in REASONS)
_SSH = ("ssh.service", "sshd.service")


def reason(unit: Mapping[str, str], own: Optional[str]) -> Optional[Tuple[str, bool]]:
    """Why a unit is not restarted, and whether only a reboot renews it; None where it can be restarted.

    `unit` is what `systemctl show` says of it, `own` the unit that this run works in.
    """
    name = unit["Id"]
    for pattern, why in _REASONS:
        if pattern.fullmatch(name):
            return why, True
    if unit.get("RefuseManualStop") == "yes" or unit.get("RefuseManualStart") == "yes":
        return "it refuses to be restarted by hand", True
    if not name.endswith(".service"):
        return "another program started it, which alone can start it again", False
    if systemd.is_per_connection(name):
        return "it serves a single connection, and ends with it", False
    if unit.get("Transient") == "yes":
        return "it was started by a program and not from a file; a stop would be its end", False
    if unit.get("Type") == "oneshot":
        return "it does its work once and ends", False
    # Sessions live on when the ssh daemon alone is stopped.
    if name == own and not (name in _SSH and unit.get("KillMode") in ("process", "none")):
        return "this very run works within it", False
    return None
