# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading small files whose absence is an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Optional


def read_text(path: str) -> str:
    """The text of a file; bytes that are not UTF-8 are replaced. Raises OSError."""
    return Path(path).read_text(encoding="utf-8", errors="replace")


def text_or_none(path: str) -> Optional[str]:
    """`read_text`, None where it cannot be read."""
    try:
        return read_text(path)
    except OSError:
        return None


def line_or_none(path: str) -> Optional[str]:
    """The text of a file of one line without its end, None where it is empty or cannot be read."""
    return (text_or_none(path) or "").strip() or None
