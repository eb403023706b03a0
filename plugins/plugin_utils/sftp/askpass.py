# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A login password for ssh: in a file that only this user can read, and that is gone when the session began or failed.

ssh takes no password on its command line, and asks a program for one (SSH_ASKPASS, ssh(1)). So a host with a password
goes the same way as all others: the configuration, known hosts and jump hosts are OpenSSH's.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .target import Target, configuration_line

# It answers what asks for a password, nothing else: neither a key's passphrase nor a host key's yes or no.
_PROGRAM = """#!/bin/sh
case "$1" in *assphrase*) exit 1 ;; {asks}) exec cat {file} ;; *) exit 1 ;; esac
"""
_PATIENCE_S = 30.0


@contextlib.contextmanager
def environment(target: Target, program: str = "ssh") -> Iterator[dict[str, str]]:
    """What ssh's environment needs in order to ask for the target's password; nothing of it is the password.

    A jump host's ssh asks the same program: it gets nothing. Raises OSError.
    """
    if target.password is None:
        yield {}
        return
    asks = prompts(_configuration(target, program))
    folder = Path(tempfile.mkdtemp(prefix="upkeep-"))
    try:
        secret, asking = folder / "password", folder / "askpass"
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(target.password + "\n")
        asking.write_text(_PROGRAM.format(asks=asks, file=shlex.quote(str(secret))))
        asking.chmod(0o700)
        # Before OpenSSH 8.4 a display, which need not be there, and no terminal make ssh ask the program.
        yield {"SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": os.environ.get("DISPLAY", ":0")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prompts(configuration: str) -> str:
    """The shell's patterns of what is answered, by what `ssh -G` says.

    Where a jump host may ask, too, only what names the target: `user@host's password: `, or `(user@host) Password: `
    of keyboard-interactive, which names nobody before OpenSSH 8.5.
    """
    said = dict(line.lower().partition(" ")[::2] for line in configuration.splitlines())
    if not any(said.get(option, "none") != "none" for option in ("proxyjump", "proxycommand")):
        return "*assword*"
    user = next((line[5:] for line in configuration.splitlines() if line.startswith("user ")), "")
    whom = f"{user}@{said.get('hostname', '')}"
    return f"""{shlex.quote(whom + "'s ")}*assword*|{shlex.quote(f"({whom}) ")}*assword*"""


def _configuration(target: Target, program: str) -> str:
    try:
        return subprocess.run(
            configuration_line(target, program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=_PATIENCE_S, check=False,
        ).stdout.decode("utf-8", "replace")  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""  # what follows says why
