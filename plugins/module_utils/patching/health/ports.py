# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP ports that have to accept connections."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

from .. import sockets
from .answer import Answer, ask

TIMEOUT = 5  # seconds
# 443, 127.0.0.1:5432, db.example.org:5432, [::1]:443
_PORT = re.compile(r"(?:(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<host>[\w.-]+)):)?(?P<port>\d{1,5})")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Port:
    """A port of `host`; without one, of whatever address of this machine it listens on."""

    name: str
    host: Optional[str]
    port: int


def parse(entry: Any) -> Port:
    """A number, or text as `443`, `host:443`, `[::1]:443`. ValueError."""
    text = str(entry) if isinstance(entry, (int, str)) and not isinstance(entry, bool) else ""
    match = _PORT.fullmatch(text)
    if not match or not 1 <= int(match.group("port")) <= 65535:
        raise ValueError(f"has to be a port from 1 to 65535 or host:port, not {entry!r}")
    return Port(text, match.group("v6") or match.group("host"), int(match.group("port")))


def look(checks: Sequence[Port]) -> List[Answer]:
    """Connects to each, and sends nothing."""
    return [ask(lambda check=check: _connects(check), TIMEOUT + 1) for check in checks]  # type: ignore[misc]


def _connects(check: Port) -> Tuple[bool, str]:
    if check.host:
        hosts = [check.host]
    else:
        hosts = [_ANY.get(address, address) for address in sockets.addresses(check.port)]
        if not hosts:
            return False, f"nothing listens on port {check.port}"
    why = ""
    for host in hosts:
        try:
            with socket.create_connection((host, check.port), timeout=TIMEOUT / len(hosts)):
                return True, f"{host} accepts connections"
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that is none, by its own encoding
            why = f"{host} does not accept a connection: {getattr(error, 'strerror', None) or error}"
    return False, why
