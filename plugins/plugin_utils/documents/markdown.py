# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Markdown in which no name or message can break out of its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .text import printable

# Within a word an underscore is no markup.
_MARKUP = re.compile(r"[\\`*\[\]|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def cell(value: Any) -> str:
    """`value` as text that Markdown and HTML leave alone, on one line; nothing for None."""
    if value is None:
        return ""
    return _MARKUP.sub(r"\\\g<0>", printable(value)).replace("&", "&amp;").replace("<", "&lt;")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table with every cell escaped."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(cell(value) for value in row)} |" for row in rows),
    ]


def bullets(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """`- **Name**: value`; the values are Markdown already."""
    return [f"- **{name}**: {value}" for name, value in pairs]


def details(title: str, body: Sequence[str]) -> list[str]:
    """`body` folded behind `title`."""
    return [f"<details><summary>{cell(title)}</summary>", "", *body, "", "</details>"]
