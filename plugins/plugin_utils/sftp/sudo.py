# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command that starts an SFTP server as another user."""

from __future__ import annotations

import shlex

from .target import PROMPT, READY

# Where systems have it: Debian, Ubuntu; RHEL, Fedora; SUSE, Arch, Alpine; older ones, BSD.
_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/libexec/ssh/sftp-server",
    "/usr/lib/sftp-server",
)


def command(user: str | None = None, program: str = "sudo", with_password: bool = False) -> str:
    """For `Target.command`; with a password it speaks as `Target.secret_input` says."""
    begin = f"echo {READY}; " if with_password else ""
    server = f'{begin}for s in {" ".join(_SERVERS)}; do [ -x "$s" ] && exec "$s"; done; '
    server += "echo sftp-server was not found >&2; exit 127"
    line = [*shlex.split(program), "-H", *(["-S", "-p", PROMPT] if with_password else ["-n"])]
    line += ["-u", user] if user else []
    return shlex.join([*line, "--", "sh", "-c", server])
