# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Redis protocol, as much of it as a dump and a load take (RESP2, redis.io/docs/reference/protocol-spec)."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Dict, Iterator, List, Optional, Union

from .model import Failed

Word = Union[str, bytes, int]


class Connection:
    """A connection to a Redis server. Every call raises Failed where the server refuses, or is not there."""

    def __init__(self, host: Optional[str], port: Optional[int], path: Optional[str], seconds: float) -> None:
        where = path or f"{host or '127.0.0.1'}:{port or 6379}"
        try:
            if path:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.settimeout(seconds)
                self._socket.connect(path)
            else:
                self._socket = socket.create_connection((host or "127.0.0.1", port or 6379), seconds)
        except OSError as error:
            raise Failed(f"no answer from {where}: {error.strerror or error}", "redis")
        self.stream = self._socket.makefile("rb")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.stream.close()
            self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def within(self, seconds: float) -> None:
        """No read or write may take longer from now on."""
        self._socket.settimeout(max(0.1, seconds))

    def ask(self, *words: Word) -> Any:
        self.send(words)
        return self.answer()

    def send(self, *commands: Any) -> None:
        pieces = []
        for words in commands:
            raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            pieces.append(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw))
        with self._told():
            self._socket.sendall(b"".join(pieces))

    def answer(self) -> Any:
        with self._told():
            line = self.stream.readline()
            if not line.endswith(b"\r\n"):
                raise Failed("it closed the connection", "redis")
            kind, rest = line[:1], line[1:-2]
            if kind == b"-":
                raise Failed(rest.decode("utf-8", "replace"), "redis")
            if kind == b"+":
                return rest
            if kind == b":":
                return int(rest)
            if kind == b"$":
                size = int(rest)
                return None if size < 0 else self.stream.read(size + 2)[:-2]
            if kind == b"*":
                return [self.answer() for _item in range(max(0, int(rest)))]
        raise Failed("it does not speak the protocol of Redis", "redis")

    def info(self, section: str) -> Dict[str, str]:
        lines = self.ask("INFO", section).decode("utf-8", "replace").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def all_keys(self) -> Iterator[List[bytes]]:
        """All keys of the selected database, some at a time."""
        cursor = b"0"
        while True:
            cursor, keys = self.ask("SCAN", cursor, "COUNT", 500)
            yield keys
            if cursor == b"0":
                return

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Failed(f"the connection was lost: {error.strerror or error}", "redis")
