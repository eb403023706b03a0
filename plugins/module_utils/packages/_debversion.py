# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian version ordering, as deb-version(7) and dpkg's `verrevcmp` define it."""

from __future__ import annotations

import re
from functools import lru_cache

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")


@lru_cache(maxsize=None)
def version_key(version: str) -> tuple:
    """A sort key for a Debian version, `[epoch:]upstream[-revision]`. Any text has a key; nothing is refused."""
    epoch, colon, rest = version.partition(":")
    if not colon or not re.fullmatch("[0-9]+", epoch):
        epoch, rest = "0", version
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return (_number(epoch), _part_key(upstream), _part_key(revision or "0"))


def _part_key(text: str) -> tuple:
    # findall ends with an empty match, which stands for the end of the text: after `~`, before all else.
    return tuple((_text_key(letters), _number(digits)) for letters, digits in _PARTS.findall(text))


def _text_key(text: str) -> tuple:
    return (*(_weight(character) for character in text), 0)


def _number(digits: str) -> tuple:
    # Not int(): newer Pythons refuse to read very long ones, and this needs only their order.
    significant = digits.lstrip("0")
    return (len(significant), significant)


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 0x110000
