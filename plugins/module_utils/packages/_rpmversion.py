# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Version ordering of rpm, as its `rpmvercmp` does it (rpm-version(7), rpmio/rpmvercmp.c)."""

from __future__ import annotations

import re
from functools import lru_cache

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
# `~` sorts before the end of the text, `^` after it but before anything else; letters sort before numbers.
_TILDE, _END, _CARET, _LETTERS, _NUMBER = range(5)


@lru_cache(maxsize=None)
def evr_key(evr: str) -> tuple:
    """A sort key for `[epoch:]version[-release]`. Any text has a key; nothing is refused."""
    epoch, colon, rest = evr.partition(":")
    if not colon or not re.fullmatch("[0-9]+", epoch):
        epoch, rest = "0", evr
    version, _dash, release = rest.partition("-")
    return (_number(epoch), _key(version), _key(release))


def split_evr(evr: str) -> tuple[str, str, str]:
    """Epoch (`0` where none is given), version and release."""
    epoch, colon, rest = evr.partition(":")
    if not colon:
        epoch, rest = "0", evr
    version, _dash, release = rest.partition("-")
    return epoch, version, release


def without_zero(evr: str) -> str:
    """An EVR as rpm shows it: without an epoch of zero."""
    return evr[2:] if evr.startswith("0:") else evr


def _key(text: str) -> tuple:
    return (*map(_segment, _SEGMENT.findall(text)), (_END,))


def _segment(text: str) -> tuple:
    if text == "~":
        return (_TILDE,)
    if text == "^":
        return (_CARET,)
    return (_NUMBER, *_number(text)) if text[0].isdigit() else (_LETTERS, text)


def _number(digits: str) -> tuple:
    # Not int(): newer Pythons refuse to read very long ones, and this needs only their order.
    significant = digits.lstrip("0")
    return (len(significant), significant)
