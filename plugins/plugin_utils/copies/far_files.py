# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file on an SFTP server, written with many requests under way: one at a time would wait for the line each time.

paramiko hands the answer to each request to whatever made it, by `_async_response`; its own file object needs a socket
for that. `sftp.reading` is the other direction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..sftp.library import paramiko, sftp

# What OpenSSH's own client sends at once, and how many of them unanswered (sftp(1), -B and -R).
_REQUEST = 32768
_UNANSWERED = 64


@contextlib.contextmanager
def opened(client: Any, path: str, flags: int) -> Iterator[paramiko.SFTPFile]:
    """`path` with the flags of the protocol; what this makes is for its owner alone, where paramiko says nothing."""
    mode = paramiko.SFTPAttributes()
    mode.st_mode = 0o600
    kind, message = client._request(sftp.CMD_OPEN, path.encode("utf-8", "surrogateescape"), flags, mode)
    if kind != sftp.CMD_HANDLE:
        raise paramiko.SFTPError("an open was answered with something else")
    with paramiko.SFTPFile(client, message.get_binary(), "r+b", 0) as stream:
        yield stream


class Reading:
    """The pieces of a file as they come."""

    def __init__(self, coming: Iterator[bytes]) -> None:
        self._coming = coming

    def read(self, size: int, /) -> bytes:
        """The next ones, however many bytes that is; b"" at the end."""
        del size
        return next(self._coming, b"")


class Writing:
    """Writes from an offset on."""

    def __init__(self, client: Any, stream: paramiko.SFTPFile, at: int) -> None:
        self._client, self._handle = client, stream.handle  # type: ignore[attr-defined]
        self._at, self._unanswered = at, 0
        self._has_failed = False

    def write(self, content: bytes, /) -> None:
        """All of it; what an earlier write came to may be told now. Raises OSError."""
        for start in range(0, len(content), _REQUEST):
            piece = content[start : start + _REQUEST]
            self._client._async_request(self, sftp.CMD_WRITE, self._handle, sftp.int64(self._at), piece)
            self._at += len(piece)
            self._unanswered += 1
            self._take_answers(_UNANSWERED)

    def finish(self) -> None:
        """All is written there; and on its disk, where the server knows OpenSSH's extension for that."""
        self._take_answers(0)
        with contextlib.suppress(OSError):
            self._client._request(sftp.CMD_EXTENDED, "fsync@openssh.com", self._handle)

    def _take_answers(self, left: int) -> None:
        while self._unanswered > left:
            self._client._read_response()

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        del number
        self._unanswered -= 1
        if self._has_failed:  # told already: the rest is read by whoever asks the server next
            return
        try:
            if kind != sftp.CMD_STATUS:
                raise paramiko.SFTPError("a write was answered with something else")
            self._client._convert_status(message)
        except Exception:
            self._has_failed = True
            raise
