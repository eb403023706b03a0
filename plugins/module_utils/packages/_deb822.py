# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian control paragraphs: `Field: value` lines, continuation lines, blank lines between paragraphs (deb822(5))."""

from __future__ import annotations

import re
from typing import Iterator, Mapping

_BLANK = re.compile(r"\n[ \t]*\n")


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Every paragraph as a mapping of lower-case field names; continuation lines joined by newlines, comments left out.

    Lines that are no field are skipped: the caller decides which fields must be there.
    """
    for block in _BLANK.split(text):
        fields = paragraph(block)
        if fields:
            yield fields


def paragraph(block: str) -> dict[str, str]:
    """One paragraph; see `paragraphs`."""
    fields: dict[str, str] = {}
    name = None
    for line in block.split("\n"):
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            if name is not None:
                fields[name] += "\n" + line.strip()
            continue
        key, colon, value = line.partition(":")
        if colon and key and " " not in key:
            name = key.lower()
            fields[name] = value.strip()
        else:
            name = None
    return fields


def source_of(fields: Mapping[str, str]) -> tuple[str, str]:
    """Name and version of the source package: `Source: name (version)`, where they differ from the binary's."""
    name, _space, rest = fields.get("source", "").partition(" ")
    return name or fields.get("package", ""), rest.strip("() ") or fields.get("version", "")
