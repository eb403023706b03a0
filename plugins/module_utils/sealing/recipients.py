# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom an archive is encrypted to: public keys of age, of SSH, or of OpenPGP. Pure.

age's are those of age(1): `age1…` and the lines of an SSH public key. OpenPGP's come as the armored text of one key.
"""

from __future__ import annotations

import re
from typing import Iterable, List, NamedTuple, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

AGE, GPG = "age", "gpg"
ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PRIVATE = re.compile(r"AGE-SECRET-KEY-|AGE-PLUGIN-|PRIVATE KEY|AGE ENCRYPTED FILE", re.I)
_AGE = re.compile(r"age1[0-9a-z]{20,}")
_SSH = re.compile(r"(ssh-ed25519|ssh-rsa) ([A-Za-z0-9+/]{40,}={0,3})(?: .*)?")
_FINGERPRINT = re.compile(r"(?:0x)?[0-9A-Fa-f]{16,64}")


class Recipient(NamedTuple):
    """`program` that can encrypt to it, and the key as that takes it."""

    program: str
    key: str


def is_private(text: str) -> bool:
    """Does this look like a key that opens, and that nobody may ever be shown?"""
    return bool(_PRIVATE.search(text))


def parse(given: Iterable[str], option: str = "recipients") -> List[Recipient]:
    """Each once, in their order; without comments. UpkeepError `private_key_given`, `bad_recipient`, by its number.

    A private key is never quoted, and neither is what may be a mangled one.
    """
    found: List[Recipient] = []
    for number, text in enumerate(given, 1):
        refuse_private(text, option, number)
        recipient = recognised(text)
        if recipient is None:
            raise UpkeepError(
                "bad_recipient",
                f"{option}: number {number} is no public key of age (age1…), of SSH (ssh-ed25519 …, ssh-rsa …) or of "
                "OpenPGP; correct it.",
                option=option,
            )
        if recipient not in found:
            found.append(recipient)
    if not found:
        raise UpkeepError(
            "bad_recipient", f"{option}: nobody to encrypt to is named; give a public key.", option=option
        )
    return found


def refuse_private(text: str, option: str, number: int) -> None:
    """UpkeepError `private_key_given`, without a word of the key."""
    if is_private(text):
        raise UpkeepError(
            "private_key_given",
            f"{option}: number {number} is a PRIVATE key. Whoever has read it can open the backups: take it out, make "
            "a new key (make backup-key), and give the public one, which begins with age1 or ssh-.",
            option=option,
        )


def recognised(text: str) -> Optional[Recipient]:
    """The recipient that a text is, or None."""
    text = text.strip()
    ssh = _SSH.fullmatch(text)
    if ssh:
        return Recipient(AGE, f"{ssh[1]} {ssh[2]}")
    if _AGE.fullmatch(text):
        return Recipient(AGE, text)
    return Recipient(GPG, text) if text.startswith(ARMOR) else None


def is_fingerprint(text: str) -> bool:
    """Is it an OpenPGP fingerprint or long key id, whose key is in a keyring?"""
    return bool(_FINGERPRINT.fullmatch(text.replace(" ", "")))
