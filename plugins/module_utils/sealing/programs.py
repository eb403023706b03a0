# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The programs that encrypt: age(1), and gpg(1) where age is missing. Public keys in, one standard file out."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from typing import Iterator, List, NamedTuple, Sequence, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .recipients import AGE, GPG, Recipient
from .stream import last_line

AUTO = "auto"
SUFFIXES = {AGE: ".age", GPG: ".gpg"}
_NAMES = {AGE: "age", GPG: "GnuPG (gpg)"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOME = ".gnupg-"  # of a temporary folder for gpg, which will have one


class Ready(NamedTuple):
    """A program with everything to encrypt: `argv` reads stdin and writes stdout; `recipients` are who can open it."""

    argv: List[str]
    recipients: List[str]


def found(program: str) -> str:
    """The program's path, or empty."""
    return shutil.which(program, path=os.environ.get("PATH") or _PATH) or ""


def choose(wanted: str, recipients: Sequence[Recipient]) -> Tuple[str, List[Recipient], List[Recipient]]:
    """(program, those it encrypts to, those it cannot) for `wanted`: auto, age or gpg.

    `auto` is age, and gpg where this host has no age and there are keys for gpg. UpkeepError `encryption_unavailable`,
    `bad_recipient`.
    """
    candidates = [program for program in (AGE, GPG) if wanted in (AUTO, program)]
    with_keys = [program for program in candidates if any(one.program == program for one in recipients)]
    if not with_keys:
        message = f"program: {wanted} has no key among the recipients; give one of its public keys, or choose auto."
        raise UpkeepError("bad_recipient", message, option="recipients")
    for program in with_keys:
        if found(program):
            mine = [one for one in recipients if one.program == program]
            return program, mine, [one for one in recipients if one.program != program]
    missing = " nor ".join(_NAMES[program] for program in with_keys)
    other = " (or give the public key of a gpg key too, and gpg is used)" if with_keys == [AGE] and found(GPG) else ""
    raise UpkeepError(
        "encryption_unavailable",
        f"This host has no {missing}, and nothing leaves it unencrypted: install {with_keys[0]} there (the package "
        f"{'age' if with_keys[0] == AGE else 'gnupg'}){other}.",
        programs=with_keys,
    )


@contextlib.contextmanager
def ready(program: str, recipients: Sequence[Recipient], scratch: str) -> Iterator[Ready]:
    """The program made ready; what gpg needs lies in `scratch` meanwhile. UpkeepError `bad_recipient`, OSError."""
    if program == AGE:
        keys = [one.key for one in recipients]
        yield Ready([found(AGE), *(word for key in keys for word in ("-r", key))], keys)
        return
    with tempfile.TemporaryDirectory(prefix=_HOME, dir=scratch) as home:
        os.chmod(home, 0o700)
        base = [found(GPG), "--homedir", home, "--no-options", "--batch", "--no-tty", "--no-autostart", "--quiet"]
        argv = [*base, "--trust-model", "always", "--compress-algo", "none", "--encrypt"]
        fingerprints = []
        for number, recipient in enumerate(recipients, 1):
            path = os.path.join(home, f"{number}.asc")
            with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123
                stream.write(recipient.key + "\n")
            fingerprints.append(fingerprint([*base, "--show-keys", "--with-colons", path]))
            argv += ["--recipient-file", path]
        yield Ready(argv, fingerprints)


def leftovers(scratch: str) -> List[str]:
    """Folders of killed runs in `scratch`, as paths."""
    return [os.path.join(scratch, name) for name in os.listdir(scratch) if name.startswith(_HOME)]


def fingerprint(argv: List[str]) -> str:
    """Of the one key that gpg shows. UpkeepError `bad_recipient` for none, several, or a private one."""
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        argv, stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "LC_ALL": "C"}, timeout=60, check=False
    )
    kinds, prints = key_records(done.stdout.decode("utf-8", "replace"))
    if kinds != ["pub"] or not prints:
        why = last_line(done.stderr.decode("utf-8", "replace")) if done.returncode else f"it holds {len(kinds)} keys"
        message = f"recipients: an OpenPGP key cannot be used ({why}); each must be exactly one public key."
        raise UpkeepError("bad_recipient", message, option="recipients")
    return prints[0]


def key_records(colons: str) -> Tuple[List[str], List[str]]:
    """(`pub` or `sec` of each key, the fingerprints of the primary keys) of `--with-colons` (GnuPG's doc/DETAILS)."""
    kinds: List[str] = []
    prints: List[str] = []
    for line in colons.splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sec"):
            kinds.append(fields[0])
        elif fields[0] == "fpr" and len(fields) > 9 and len(prints) < len(kinds):
            prints.append(fields[9])
    return kinds, prints
