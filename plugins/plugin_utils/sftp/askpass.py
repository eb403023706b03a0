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
import tempfile
from collections.abc import Iterator
from pathlib import Path

# It answers what asks for a password, nothing else: neither a key's passphrase nor a host key's yes or no.
_PROGRAM = """#!/bin/sh
case "$1" in *assphrase*) exit 1 ;; *assword*) exec cat {file} ;; *) exit 1 ;; esac
"""


@contextlib.contextmanager
def environment(password: str | None) -> Iterator[dict[str, str]]:
    """What ssh's environment needs in order to ask for `password`; nothing of it is the password. Raises OSError."""
    if password is None:
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="upkeep-"))
    try:
        secret, program = folder / "password", folder / "askpass"
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(password + "\n")
        program.write_text(_PROGRAM.format(file=shlex.quote(str(secret))))
        program.chmod(0o700)
        # Before OpenSSH 8.4 a display, which need not be there, and no terminal make ssh ask the program.
        yield {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": os.environ.get("DISPLAY", ":0")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
