# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signatures by an SSH key: `ssh-keygen -Y`, in the namespace `upkeep-proof` (PROTOCOL.sshsig of OpenSSH).

Nothing here ever asks for a passphrase: an encrypted key signs through an agent that holds it, or not at all.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

NAMESPACE = "upkeep-proof"
_TIMEOUT_S = 30
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")
_GOOD = re.compile(r'Good "[^"]*" signature (?:for (?P<who>.+) )?with (?P<key>.+)$', re.M)


def sign(content: bytes, key: Path) -> bytes:
    """The armored signature of `content` by the private key at `key` (or by an agent, where that is a public key).

    Raises UpkeepError: signing_key_missing, signing_key_mode, signing_key_encrypted, signing_failed.
    """
    _check_key(key)
    done = _ssh_keygen(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)], content)
    if done.returncode == 0 and done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        return done.stdout
    told = _last_line(done.stderr) or f"ssh-keygen ended with {done.returncode}"
    if "passphrase" in told or "askpass" in told:
        raise UpkeepError(
            "signing_key_encrypted",
            f"proof_signing_key: {key} is encrypted and no agent holds it. Add it to an agent (ssh-add) that this run "
            "reaches by SSH_AUTH_SOCK, or give a key without a passphrase.",
        )
    if "load public key" in told:  # what it says of a file that is no key, whether or not there is a public one
        told = "it is no SSH private key: empty, cut or something else"
    raise UpkeepError("signing_failed", f"proof_signing_key: {key} does not sign ({told}).")


def verify(content: bytes, signature: Path, allowed_signers: Path | None, who: str | None = None) -> tuple[str, str]:
    """(who, key) of a good signature; `who` is empty where no `allowed_signers` say whose the key is.

    With `who`, it must be that principal's. Raises UpkeepError `signature_bad`, with why.
    """
    place = ["-n", NAMESPACE, "-s", str(signature)]
    if allowed_signers is None:
        done = _ssh_keygen(["-Y", "check-novalidate", *place], content)
    else:
        allowed = ["-f", str(allowed_signers)]
        who = who or _principal(signature, allowed)
        done = _ssh_keygen(["-Y", "verify", *allowed, "-I", who, *place], content)
    good = _GOOD.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or good is None:
        raise UpkeepError("signature_bad", _last_line(done.stderr) or "it is not of this content")
    return good["who"] or "", good["key"]


def _principal(signature: Path, allowed: list[str]) -> str:
    found = _ssh_keygen(["-Y", "find-principals", *allowed, "-s", str(signature)], b"")
    lines = found.stdout.decode("utf-8", "replace").splitlines()
    if found.returncode or not lines:
        raise UpkeepError("signature_bad", f"its key is not in {allowed[1]}, or the signature is damaged")
    return lines[0]


def _check_key(key: Path) -> None:
    try:
        with key.open("rb") as stream:
            first, mode = stream.read(8), os.fstat(stream.fileno()).st_mode
    except OSError as error:
        raise UpkeepError("signing_key_missing", f"proof_signing_key: {key} cannot be read ({error.strerror}).")
    if not first.startswith(_PUBLIC) and stat.S_IMODE(mode) & 0o077:
        raise UpkeepError(
            "signing_key_mode",
            f"proof_signing_key: {key} has mode {stat.S_IMODE(mode):04o}, so others may read it: chmod 0600 {key}.",
        )


def _ssh_keygen(arguments: list[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
    # Without a terminal and with an askpass that says no, nothing can stop to ask for a passphrase.
    environment = {**os.environ, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=content, capture_output=True, env=environment, timeout=_TIMEOUT_S,
            start_new_session=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        message = "there is no ssh-keygen on the controller: install OpenSSH's client (Debian: openssh-client)."
        raise UpkeepError("signing_failed", message)
    except subprocess.TimeoutExpired:
        raise UpkeepError("signing_failed", f"ssh-keygen did not answer within {_TIMEOUT_S} s.")


def _last_line(text: bytes) -> str:
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].replace("\r", "") if lines else ""
