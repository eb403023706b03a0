# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading small files whose absence is an answer."""

from __future__ import annotations

import os
from typing import Optional


def read_bytes(path: str) -> bytes:
    """The content of a file. Raises OSError. (pathlib would be a tenth of the time that an unchanged host takes.)"""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as stream:
        return stream.read()


def read_text(path: str) -> str:
    """The text of a file with any line ends as newlines; bytes that are not UTF-8 are replaced. Raises OSError."""
    text = read_bytes(path).decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def text_or_none(path: str) -> Optional[str]:
    """`read_text`, None where it cannot be read."""
    try:
        return read_text(path)
    except OSError:
        return None


def line_or_none(path: str) -> Optional[str]:
    """The text of a file of one line without its end, None where it is empty or cannot be read."""
    return (text_or_none(path) or "").strip() or None
