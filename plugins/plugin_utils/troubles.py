# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keeps a host from running a module at all, as OpenSSH, sudo, the shell and ansible-core say it; and what to do.

The words are those of ansible-core 2.19 to 2.21, seen on hosts that were broken so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """A known one: its `code`, the `words` it is known by, and what a person is told."""

    code: str
    words: re.Pattern[str]
    advice: str


_UNREACHABLE = (
    Trouble(
        "host_key",
        re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed"),
        "Host key verification failed: the host has another key than the one it is known by, or none that is known. "
        "Find out why; then put its key into known_hosts",
    ),
    Trouble(
        "no_temporary_folder",
        re.compile(r"Failed to create temporary directory.*?mkdir -p \"` echo (?P<what>\S+) `\"", re.DOTALL),
        "the user that logs in cannot make {what} on the host: make its home writable, or set ansible_remote_tmp to a "
        "folder that is",
    ),
)
_FAILED = (
    Trouble(  # ansible-core's check of arguments falls over a plain value, and does not say which
        "bad_option",
        re.compile(r"argument of type '_AnsibleTagged\w+' is not (?:iterable|a container)"),
        "an option that takes rules by name, such as backup_keep or a set's keep ({{last: 3}}), got a plain value or a "
        "list; see the role's README",
    ),
    Trouble(
        "python_too_old",
        re.compile(r"requires a minimum of Python|future feature annotations is not defined"),
        "the host's Python is too old: managed hosts need Python 3.8 or newer (3.9 or newer under ansible-core 2.20 "
        "and newer). RHEL 8 and SLES 15 bring 3.6: install a newer one beside it and set ansible_python_interpreter",
    ),
    Trouble(
        "no_python",
        re.compile(r"(?:interpreter '?|sh: (?:\d+: )?)(?P<what>/\S*?)'?(?: was not found|: not found|: No such file)"),
        "there is no {what} on the host: install Python 3.8 or newer there, or set ansible_python_interpreter",
    ),
    Trouble(
        "become_refused",
        re.compile(
            r"(?P<what>(?:Missing|Incorrect) \w+ password|[^.:\n]*(?:privilege escalation|not in the sudoers file"
            r"|not allowed to (?:execute|run)|a password is required)[^.\n]*)"
        ),
        "the user that logs in may not become root: {what}. Let it (sudoers, NOPASSWD) or give ansible_become_password",
    ),
)
# What ansible-core says before ssh's own words.
_INTRODUCTION = re.compile(
    r"^(?:Task failed: )?(?:Data could not be sent to remote host .*?\. Make sure this host can be reached over ssh: "
    r"|Failed to connect to the host via ssh: )"
)


def unreachable(message: str) -> str:
    """Why a host was not reached, on one line, from ansible-core's message."""
    known = _known(_UNREACHABLE, message)
    return known[1] if known else _INTRODUCTION.sub("", " ".join(message.split()))


def failed(*texts: object) -> tuple[str, str] | None:
    """(error code, what to do) if one of these texts of a failed result is of a known trouble."""
    return _known(_FAILED, "\n".join(str(text) for text in texts if isinstance(text, str)))


def _known(troubles: tuple[Trouble, ...], text: str) -> tuple[str, str] | None:
    for trouble in troubles:
        found = trouble.words.search(text)
        if found:
            return trouble.code, trouble.advice.format(**found.groupdict())
    return None
