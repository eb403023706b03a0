# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Markdown in which no name or message can break out of its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .text import printable

_ESCAPED = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def cell(value: Any) -> str:
    """`value` as text that Markdown and HTML leave alone, on one line; nothing for None."""
    return "" if value is None else printable(value).translate(_ESCAPED)


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
