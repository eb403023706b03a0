# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The public keys that archives are encrypted to, as the operator names them: as such, by file or by fingerprint."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.sealing import programs, recipients
from ansible_collections.proven.upkeep.plugins.module_utils.sealing.stream import last_line

OPTION = "recipients"
_LARGEST = 1 << 20


def texts(given: Sequence[str], home: Path) -> list[str]:
    """Each key as a text that a host's program takes. A file's path is relative to `home`.

    Raises UpkeepError `private_key_given` (which never quotes it), `bad_recipient`.
    """
    found = []
    for number, text in enumerate(map(str, given), 1):
        recipients.refuse_private(text, OPTION, number)
        if recipients.recognised(text) is None:
            text = _exported(text, number) if recipients.is_fingerprint(text) else _read(text, home, number)
        found.append(text.strip())
    recipients.parse(found, OPTION)
    return found


def _read(text: str, home: Path, number: int) -> str:
    """A key file: of age, SSH or armored OpenPGP as it is, of binary OpenPGP armored."""
    path = home / Path(text).expanduser()
    try:
        content = path.read_bytes()[: _LARGEST + 1] if path.is_file() else None
    except (OSError, ValueError):
        content = None
    if content is None or len(content) > _LARGEST:
        raise _bad(number, "is neither a public key nor a readable file with one on the controller")
    try:
        lines = [line for line in content.decode("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    except UnicodeDecodeError:
        return _armored(content, number)
    found = "\n".join(lines)
    recipients.refuse_private(found, OPTION, number)
    if found.startswith(recipients.ARMOR):
        return content.decode("utf-8")  # its empty line is part of it
    if len(lines) != 1:
        raise _bad(number, f"is a file with {len(lines)} lines; give one public key a file")
    return lines[0]


def _armored(content: bytes, number: int) -> str:
    return _public(["--enarmor"], number, content).replace("PGP ARMORED FILE", "PGP PUBLIC KEY BLOCK")


def _exported(text: str, number: int) -> str:
    return _public(["--armor", "--export-options", "export-minimal", "--export", text.replace(" ", "")], number)


def _public(arguments: list[str], number: int, content: bytes = b"") -> str:
    gpg = programs.found("gpg")
    if not gpg:
        raise _bad(number, "is a key of gpg, which is not on the controller: install gnupg there")
    if content:
        shown = _gpg([gpg, "--batch", "--no-tty", "--show-keys", "--with-colons"], content)
        if programs.key_records(shown.stdout.decode("utf-8", "replace"))[0] != ["pub"]:
            raise _bad(number, "is a file that does not hold exactly one public key of OpenPGP, or holds a PRIVATE one")
    done = _gpg([gpg, "--batch", "--no-tty", *arguments], content)
    told = done.stdout.decode("ascii", "replace")
    if done.returncode or "BEGIN PGP" not in told:
        why = last_line(done.stderr.decode("utf-8", "replace"))
        raise _bad(number, f"is no key that gpg knows on the controller ({why})")
    return "\n".join(line for line in told.splitlines() if not line.startswith("Comment:")) + "\n"


def _gpg(argv: list[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=content, capture_output=True, timeout=60, check=False)


def _bad(number: int, what: str) -> UpkeepError:
    return UpkeepError("bad_recipient", f"{OPTION}: number {number} {what}.", option=OPTION)
