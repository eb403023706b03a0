# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What parsers share: damage told in one sentence, large JSON as a stream, times in one form."""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

# All that reading a file in another form than the expected one can raise.
_DAMAGE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, EOFError, OSError, OverflowError,
    lzma.LZMAError, zlib.error, tarfile.TarError,
)  # fmt: skip
_LONGEST = 256 * 2**20  # characters of one member of a streamed object
_BLOCK = 2**20
_UNFIT = (sqlite3.ProgrammingError, sqlite3.InterfaceError)  # of a value that the index has no type for
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")


@contextlib.contextmanager
def reading(source: str, file: Path) -> Iterator[None]:
    """Turns what goes wrong inside into UpkeepError `feed_damaged` with source, file and place."""
    try:
        yield
    except (*_DAMAGE, *_UNFIT) as error:
        raise damaged(source, file, _told(error))


def damaged(source: str, file: Path, what: str) -> UpkeepError:
    """`feed_damaged`: nothing of the file is used."""
    what = what.encode("utf-8", "backslashreplace").decode()  # it may quote half a character
    return UpkeepError(
        "feed_damaged",
        f"{source}: {file} is not what the source documents ({what}). What was loaded before stays; "
        "fetch it again, and look at the mirror if there is one.",
        source=source,
        file=str(file),
    )


def _told(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return " ".join(str(error).split())[:200] or type(error).__name__


def expect(value: Any, kind: type, what: str) -> Any:
    """`value`, if it is of this kind. TypeError that says what it should have been."""
    if not isinstance(value, kind):
        raise TypeError(f"{what} is {'null' if value is None else type(value).__name__}, not {kind.__name__}")
    return value


def members(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """(name, value) of each member of one large JSON object, one in memory at a time. ValueError, TypeError."""
    text = io.TextIOWrapper(stream, "utf-8")
    decoder = json.JSONDecoder()
    buffer, at, done = "", 0, False
    separator = "{"
    while True:
        try:
            start = _after(buffer, at, separator)
            if separator == "{" and buffer[start : start + 1] == "}":
                return _nothing_after(buffer, start + 1, text)
            name, end = decoder.raw_decode(buffer, start)
            expect(name, str, "a member's name")
            value, end = decoder.raw_decode(buffer, _after(buffer, end, ":"))
            following = buffer[_blanks(buffer, end)]
        except (IndexError, json.JSONDecodeError) as error:
            left = len(buffer) - at
            more = "" if done or left > _LONGEST else text.read(max(_BLOCK, left))
            done = not more
            if done:
                raise ValueError(f"no JSON after {left} characters: {error}" if left else "it ends too early")
            buffer, at = buffer[at:] + more, 0
            continue
        yield name, value
        at, separator = _blanks(buffer, end), ","
        if following == "}":
            return _nothing_after(buffer, at + 1, text)


def _blanks(buffer: str, at: int) -> int:
    while buffer[at] in " \t\r\n":
        at += 1
    return at


def _after(buffer: str, at: int, separator: str) -> int:
    at = _blanks(buffer, at)
    if buffer[at] != separator:
        raise ValueError(f"{buffer[at : at + 20]!r} stands where {separator!r} should")
    return _blanks(buffer, at + 1)


def _nothing_after(buffer: str, at: int, text: io.TextIOWrapper) -> None:
    rest = buffer[at:] + text.read(_BLOCK)
    if rest.strip():
        raise ValueError(f"{rest.strip()[:20]!r} stands after the end")


def small_json(stream: BinaryIO, limit: int = 64 * 2**20) -> Any:
    """A whole JSON document of at most `limit` bytes. ValueError."""
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return json.loads(content)


def when(text: str) -> str:
    """Any ISO 8601 time or date as every document writes it; a time without a zone is UTC. ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return times.iso(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def cves(text: str) -> list[str]:
    """Every CVE id in a text, in its order."""
    return _CVE.findall(text)
