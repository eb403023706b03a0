# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports are listened on, and by whom: /proc/net and the open files of each process. Format: proc(5)."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from ..packages._files import text_or_none
from ..packages._locks import command_name
from ..packages.restarts import unit_of

# The kernel's socket states: TCP_LISTEN, and TCP_CLOSE, which is what an unconnected UDP socket is in.
_STATES = {"tcp": "0A", "udp": "07"}
_EPHEMERAL = [32768, 60999]  # the kernel's default


@dataclass(frozen=True)
class Listening:
    """A socket that waits for others. `process` and `unit` are None where it is the kernel's, or could not be seen."""

    proto: str
    address: str
    port: int
    process: Optional[str] = None
    unit: Optional[str] = None

    def document(self) -> Dict[str, Any]:
        """As `listening` in results has it."""
        return dict(vars(self))


def listening(proc: str = "/proc") -> List[Listening]:
    """Every listening TCP socket and unconnected UDP socket of this network namespace, sorted, each once."""
    rows = [
        (proto, address, port, inode)
        for proto, state in _STATES.items()
        for family in ("", "6")
        for address, port, inode in parse(text_or_none(os.path.join(proc, "net", proto + family)) or "", state)
    ]
    owners = _owners({inode for _proto, _address, _port, inode in rows}, proc)
    # Several sockets may share one port (SO_REUSEPORT); a named process tells more than none.
    found: Dict[Tuple[str, int, str], Listening] = {}
    for proto, address, port, inode in rows:
        process, unit = owners.get(inode, (None, None))
        key = (proto, port, address)
        if key not in found or found[key].process is None:
            found[key] = Listening(proto, address, port, process, unit)
    return [found[key] for key in sorted(found)]


def addresses(port: int, proc: str = "/proc") -> List[str]:
    """The addresses on which this host listens on a TCP port."""
    texts = [text_or_none(os.path.join(proc, "net", name)) or "" for name in ("tcp", "tcp6")]
    return sorted({address for text in texts for address, at, _inode in parse(text, _STATES["tcp"]) if at == port})


def parse(text: str, state: str) -> Iterator[Tuple[str, int, str]]:
    """(address, port, inode) of the sockets in `state` of a /proc/net/{tcp,tcp6,udp,udp6} text."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == state:
            address, _colon, port = fields[1].partition(":")
            yield address_of(address), int(port, 16), fields[9]


def address_of(digits: str) -> str:
    """`0100007F` as `127.0.0.1`: 32-bit words in the machine's byte order. IPv4 within IPv6 is told as IPv4."""
    words = (bytes.fromhex(digits[start : start + 8]) for start in range(0, len(digits), 8))
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def ephemeral(proc: str = "/proc") -> List[int]:
    """The first and the last of the ports that the kernel hands out to whoever names none."""
    words = (text_or_none(os.path.join(proc, "sys/net/ipv4/ip_local_port_range")) or "").split()
    return [int(word) for word in words] if len(words) == 2 else list(_EPHEMERAL)


def _owners(inodes: Set[str], proc: str) -> Dict[str, Tuple[Optional[str], Optional[str]]]:
    """inode -> (program, unit). Of several processes the last-born: systemd holds the sockets that it hands on."""
    owners: Dict[str, Tuple[Optional[str], Optional[str]]] = {}
    for pid in sorted((int(name) for name in os.listdir(proc) if name.isdecimal()), reverse=True):
        for inode in _sockets(os.path.join(proc, str(pid), "fd")):
            if inode in inodes and inode not in owners:
                unit, _session = unit_of(text_or_none(os.path.join(proc, str(pid), "cgroup")) or "")
                owners[inode] = (command_name(pid), unit)
        if len(owners) == len(inodes):
            break
    return owners


def _sockets(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return  # another user's, or it has ended
    for name in names:
        try:
            target = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
