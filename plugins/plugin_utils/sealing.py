# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opening what was encrypted: with the escrowed private key, on the controller, where a drill or a restore needs it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.sealing import programs
from ansible_collections.proven.upkeep.plugins.module_utils.sealing.recipients import AGE, GPG
from ansible_collections.proven.upkeep.plugins.module_utils.sealing.stream import last_line, piped

_AGE_KEY = b"AGE-SECRET-KEY-1"
_SSH_KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----BEGIN RSA PRIVATE KEY-----"
# What tells the public key of a private one, and its Debian package.
_READERS = {AGE: ("age-keygen", "age"), "ssh": ("ssh-keygen", "openssh-client"), GPG: ("gpg", "gnupg")}
_KEYRING = "upkeep-gpg-"
_WRONG_KEY = ("no identity matched", "No secret key")
_PASSPHRASE = ("passphrase", "pinentry", "terminal")


def check_identity(path: Path) -> None:
    """Refuse a private key that others may read. UpkeepError `identity_missing`, `identity_exposed`."""
    try:
        info = path.stat()
        with path.open("rb"):
            pass
    except OSError as error:
        raise UpkeepError(
            "identity_missing",
            f"backup_identity: {path} cannot be read ({error.strerror}): bring the escrowed key there, mode 0600.",
            path=str(path),
        )
    if not stat.S_ISREG(info.st_mode):
        raise UpkeepError("identity_missing", f"backup_identity: {path} is no file.", path=str(path))
    mode = stat.S_IMODE(info.st_mode)
    if mode & 0o077:
        raise UpkeepError(
            "identity_exposed",
            f"backup_identity: {path} has mode {mode:04o}, so others may read it, and open every backup with it: "
            f"chmod 0600 {path}, and make a new key if somebody did.",
            path=str(path),
        )
    if info.st_uid not in (os.geteuid(), 0):
        raise UpkeepError(
            "identity_exposed",
            f"backup_identity: {path} belongs to the user of id {info.st_uid}, who can read it: chown it to the user "
            f"of id {os.geteuid()}, who runs this.",
            path=str(path),
        )


def open_sealed(sealed: Path, dest: Path, identity: Path, program: str) -> None:
    """Decrypt `sealed` to `dest` (0600) as a stream: to a temporary name, synced, renamed; `program` is age or gpg.

    Raises UpkeepError: identity_missing, identity_exposed, sealed_unopened (with `why`: wrong_key, damaged, passphrase,
    no_program, no_space, other), and leaves no part of it behind.
    """
    check_identity(identity)
    if program not in programs.SUFFIXES or not programs.found(program):
        raise _unopened(sealed, "no_program", f"this machine has no {program}; install it here")
    part = dest.with_name(dest.name + ".part")
    try:
        atomic.make_folder(str(dest.parent))
        part.unlink(missing_ok=True)
        sink = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _decrypt(sealed, sink, identity, program)
            os.fsync(sink)
            part.rename(dest)
        finally:
            os.close(sink)
            part.unlink(missing_ok=True)
        atomic.sync_folder(str(dest.parent))
    except OSError as error:
        full = error.errno in (28, 122)
        what = f"{error.strerror}: {error.filename or dest}" + ("; free some space there" if full else "")
        raise _unopened(sealed, "no_space" if full else "other", what)


def identity_fingerprint(path: Path) -> str:
    """The public key of a private one: `age1…`, `ssh-… AAAA…`, or the fingerprint of an OpenPGP key.

    Raises UpkeepError: identity_missing, identity_exposed, identity_unusable.
    """
    check_identity(path)
    kind = _kind(path)
    program, package = _READERS[kind]
    if not programs.found(program):
        raise UpkeepError(
            "identity_unusable",
            f"backup_identity: this machine has no {program}, which reads the key {path}: install {package} "
            f"(Debian: apt-get install {package}).",
            path=str(path),
        )
    if kind == GPG:
        with _keyring() as base:
            told = _said([*base, "--show-keys", "--with-colons", str(path)])
            prints = programs.key_records(told)[1]
            told = prints[0] if len(prints) == 1 else ""
    elif kind == AGE:
        told = _said(["age-keygen", "-y", str(path)]).strip()
        told = told if len(told.splitlines()) == 1 else ""
    else:
        told = " ".join(_said(["ssh-keygen", "-y", "-P", "", "-f", str(path)]).split()[:2])
    if not told:
        raise UpkeepError(
            "identity_unusable",
            f"backup_identity: {path} does not hold exactly one private key of age, SSH or OpenPGP that is free of a "
            "passphrase, so nothing opens with it unattended.",
            path=str(path),
        )
    return told


def opened(program: str, recipients: Sequence[str], opened_with: str) -> dict[str, Any]:
    """`sealed` of a drill's document: who could open it, and which key was shown to."""
    return {"program": program, "recipients": list(recipients), "opened_with": opened_with, "opened": True}


def _kind(path: Path) -> str:
    with path.open("rb") as stream:
        first = stream.read(1 << 16)
    return AGE if _AGE_KEY in first else "ssh" if first.startswith(_SSH_KEY) else GPG


def _said(argv: list[str]) -> str:
    """What a program prints; empty where it fails or is missing. It has no terminal to ask on."""
    environment = {**os.environ, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=60, start_new_session=True,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _decrypt(sealed: Path, sink: int, identity: Path, program: str) -> None:
    with sealed.open("rb") as source:
        if program == AGE:
            done = piped([programs.found(AGE), "--decrypt", "-i", str(identity)], source.fileno(), sink)
        else:
            with _keyring(identity) as base:
                done = piped([*base, "--decrypt"], source.fileno(), sink)
    if done.rc == 0:
        return
    told = last_line(done.said)
    if any(word in done.said for word in _WRONG_KEY):
        raise _unopened(
            sealed,
            "wrong_key",
            f"it was not encrypted to the key {identity} ({told}); bring the escrowed key that it was",
        )
    if any(word in done.said for word in _PASSPHRASE):
        raise _unopened(
            sealed, "passphrase", f"the key {identity} asks for a passphrase, and nobody is there to give it"
        )
    raise _unopened(
        sealed, "damaged", f"{program} says: {told}. The file is damaged, or cut; take another archive or another copy"
    )


@contextmanager
def _keyring(identity: Path | None = None) -> Iterator[list[str]]:
    """gpg over a temporary keyring, which holds the private key meanwhile and is gone afterwards with its agent."""
    place = _in_memory()
    _sweep(place)
    # Short: an agent's socket in it has at most 108 characters.
    home = tempfile.mkdtemp(prefix=f"{_KEYRING}{os.getpid()}-", dir=place)
    base = [programs.found(GPG) or GPG, "--homedir", home, "--no-options", "--batch", "--no-tty", "--quiet"]
    base += ["--pinentry-mode", "error"]
    try:
        if identity is not None:
            _said([*base, "--import", str(identity)])
        yield base
    finally:
        _said(["gpgconf", "--homedir", home, "--kill", "all"])
        shutil.rmtree(home, ignore_errors=True)


def _in_memory() -> str:
    """Where a private key does not get onto a disk, if there is such a place."""
    return next((place for place in ("/dev/shm", "/run") if os.access(place, os.W_OK | os.X_OK)), tempfile.gettempdir())


def _sweep(place: str) -> None:
    """Remove the keyrings that killed runs of this user have left."""
    for path in Path(place).glob(f"{_KEYRING}*-*"):
        pid = path.name.removeprefix(_KEYRING).partition("-")[0]
        with suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and not Path("/proc", pid).exists():
                shutil.rmtree(path, ignore_errors=True)


def _unopened(sealed: Path, why: str, what: str) -> UpkeepError:
    return UpkeepError("sealed_unopened", f"{sealed} could not be opened: {what}.", why=why, path=str(sealed))
