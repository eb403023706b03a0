# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ssh says when it cannot, as an error with a code. Pure."""

from __future__ import annotations

import re

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_CHANGED = "its host key is not the one that known_hosts has: find out why before you take the new one"
_UNKNOWN = "its host key is not known: check it, then add it to known_hosts (ssh-keyscan, or log in once by hand)"
# The first that matches counts: what ssh says last is often only that the connection is closed.
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed", "host_key_changed", _CHANGED),
    (r"host key is known for|Host key verification failed|No matching host key|is revoked",
     "host_key_unknown", _UNKNOWN),
    (r"incorrect password attempt|Sorry, try again|a password is required|is not in the sudoers|is not allowed to",
     "sftp_refused", "become does not work there"),
    (r"Permission denied \(|Too many authentication failures|no mutual signature|Authentication failed",
     "auth_failed", "it does not let this user in: check the user, and the key or password"),
    (r"Could not resolve|Connection refused|timed out|No route to host|Network is unreachable|Connection closed by|"
     r"Connection reset by|kex_exchange_identification|stdio forwarding failed|Name or service not known",
     "host_unreachable", "it cannot be reached"),
    (r"subsystem request failed|exec request failed|command not found|No such file|not found|Bad configuration|"
     r"command-line|keyword .* extra arguments|Bad owner or permissions",
     "sftp_refused", "it gives no SFTP session"),
)  # fmt: skip
_NOISE = ("Warning: Permanently added", "debug", "OpenSSH_", "Shared connection", "** ")


def refused(host: str, stderr: str) -> UpkeepError:
    """Why no session came about, by what ssh said."""
    for pattern, code, told in _KNOWN:
        if found := re.search(f"[^\n]*(?:{pattern})[^\n]*", stderr, re.IGNORECASE):
            return UpkeepError(code, f"{host}: {told} ({_line(found.group())}).", host=host)
    said = last_line(stderr)
    return UpkeepError("sftp_refused", f"{host}: no SFTP session began ({said or 'ssh said nothing'}).", host=host)


def lost(host: str, stderr: str) -> UpkeepError:
    """The session ended in the middle."""
    said = last_line(stderr)
    return UpkeepError("connection_lost", f"{host}: the connection was lost{f' ({said})' if said else ''}.", host=host)


def last_line(stderr: str) -> str:
    """The last line that says something, at most 300 characters of it."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(_NOISE)]
    return _line(lines[-1]) if lines else ""


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:300]
