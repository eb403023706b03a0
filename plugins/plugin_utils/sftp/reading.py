# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a long file over SFTP with many requests on the way, as OpenSSH's sftp does, in bounded memory.

Paramiko's own prefetch takes what the server has whether or not it was asked for by then, asks for 32 KiB at a time,
and does not ask again for what a server left out of an answer. So the requests are ours, and its client carries them.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Generator
from typing import Any

from .library import sftp

# What every server gives in one answer; newer OpenSSH says how much more it gives (limits@openssh.com).
_SAFE = 1 << 15
_LONGEST = 255 << 10
# On the way at once: enough for 100 MB/s over 80 ms.
_WINDOW = 8 << 20


def pieces(client: Any, path: str, offset: int, end: int) -> Generator[bytes, None, None]:
    """The bytes of `path` from `offset` up to `end`, or up to its own end where that is earlier. Raises OSError."""
    length = read_length(client)
    with client.open(path, "rb") as remote:
        yield from _read(client, remote.handle, offset, end, length)


def read_length(client: Any) -> int:
    """How much one request may ask for (PROTOCOL of OpenSSH, section 4.8)."""
    try:
        kind, answer = client._request(sftp.CMD_EXTENDED, "limits@openssh.com")
        if kind != sftp.CMD_EXTENDED_REPLY:
            return _SAFE
        longest_read = struct.unpack(">4Q", answer.get_remainder()[:32])[1]
    except (OSError, struct.error):
        return _SAFE
    return min(longest_read, _LONGEST) or _LONGEST


class _Answers:
    """What came for the requests that are on the way, by number; None at the end of the file."""

    def __init__(self, client: Any) -> None:
        self._client, self._there = client, dict[int, bytes | None]()

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        if kind == sftp.CMD_STATUS:
            try:
                self._client._convert_status(message)
            except EOFError:
                self._there[number] = None
        elif kind == sftp.CMD_DATA:
            self._there[number] = message.get_string()

    def of(self, number: int) -> bytes | None:
        while number not in self._there:
            self._client._read_response()
        return self._there.pop(number)


def _read(client: Any, handle: bytes, offset: int, end: int, length: int) -> Generator[bytes, None, None]:
    answers = _Answers(client)
    asked: deque[tuple[int, int, int]] = deque()  # (number, from, length), in the order of the file

    def ask(begin: int, wanted: int) -> tuple[int, int, int]:
        return client._async_request(answers, sftp.CMD_READ, handle, sftp.int64(begin), wanted), begin, wanted

    following = offset
    while asked or following < end:
        while following < end and len(asked) < max(_WINDOW // length, 1):
            asked.append(ask(following, min(length, end - following)))
            following += asked[-1][2]
        number, begin, wanted = asked.popleft()
        data = answers.of(number)
        if not data:
            return
        yield data
        if len(data) < wanted:  # it gives less at a time than it was asked for
            asked.appendleft(ask(begin + len(data), wanted - len(data)))
            length = max(min(length, len(data)), 1 << 12)
