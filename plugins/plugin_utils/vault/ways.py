# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the bytes of a file on a host come to the controller. A way is one function behind one small protocol."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

# Here rather than where it is needed: Ansible loads an action before it forks, so that paramiko, which takes
# 0.3 s to import, is imported once for all hosts.
from ..sftp import reading, session

_PIECE = 1 << 20

# Ask the host for a slice of a file: (path, offset) -> the answer of archive_fetch's module.
Ask = Callable[[str, int], dict[str, Any]]
# (path, from, up to) -> its bytes; fewer where the file is shorter. OSError is what the host says of the file.
Pieces = Callable[[str, int, int], Generator[bytes, None, None]]


class Way(Protocol):
    """`name` is what evidence calls it; `opened` lasts for one connection."""

    name: str

    def opened(self) -> AbstractContextManager[Pieces]:
        """Raises UpkeepError."""


class Sftp:
    """Over an SSH connection of its own (`sftp.target`)."""

    name = "sftp"

    def __init__(self, target: Any, program: str = "ssh") -> None:
        self._target, self._program = target, program

    @contextlib.contextmanager
    def opened(self) -> Iterator[Pieces]:
        with session.connected(self._target, self._program) as client:
            yield lambda path, offset, end: reading.pieces(client, path, offset, end)


class InPieces:
    """Through the task's own connection, whatever it is: each piece is the answer of a module."""

    name = "pieces"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @contextlib.contextmanager
    def opened(self) -> Iterator[Pieces]:
        yield self._pieces

    def _pieces(self, path: str, offset: int, end: int) -> Generator[bytes, None, None]:
        stamp = None
        while offset < end:
            answer = self._ask(path, offset)
            if stamp not in (None, answer["stamp"]):
                return  # another file is there now: what is missing says so
            stamp, content = answer["stamp"], base64.b64decode(answer["content"])[: end - offset]
            if not content:
                return
            offset += len(content)
            yield content


class Here:
    """The host is this machine."""

    name = "here"

    @contextlib.contextmanager
    def opened(self) -> Iterator[Pieces]:
        yield self._pieces

    @staticmethod
    def _pieces(path: str, offset: int, end: int) -> Generator[bytes, None, None]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise UpkeepError("not_ours", f"{path} cannot be read ({error.strerror}).")
        try:
            while offset < end and (piece := os.pread(fd, min(_PIECE, end - offset), offset)):
                offset += len(piece)
                yield piece
        finally:
            os.close(fd)
