# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place for copies on an SFTP server."""

from __future__ import annotations

import contextlib
import errno
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from os import environ
from posixpath import dirname, join
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..sftp import askpass, session, troubles
from ..sftp.library import BROKEN, paramiko, sftp
from ..sftp.reading import pieces
from ..sftp.target import Target, command_line
from .far_files import Reading, Writing, opened
from .store import FAR_HASH, READ_BACK, Reader, Writer, hash_of, refusal

_EXTENDED_REPLY = 201
_HASH = re.compile(rb"\\?([0-9a-f]{64}) [ *]")
_SLOWEST = 4 << 20  # bytes a second that a far side hashes at least
# What is smaller is read back sooner than another connection is made.
WORTH_ASKING = 8 << 20


class Far:
    """A `Store` below `path` of `target`; a context manager, since it holds a session."""

    def __init__(self, target: Target, path: str, append_only: bool = False) -> None:
        self.target, self.path, self.append_only = target, path, append_only
        self.place = f"{target.shown}:{path}"
        self._held = contextlib.ExitStack()
        self._client: paramiko.SFTPClient | None = None
        self._has_shell = True

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._close()

    def again(self) -> None:
        self._close()

    def files(self, folder: str) -> dict[str, int]:
        return {
            one.filename: one.st_size or 0 for one in self._listed(folder) if stat.S_ISREG(one.st_mode or stat.S_IFREG)
        }

    def changed_since(self, folder: str, moment: float) -> set[str]:
        return {one.filename for one in self._listed(folder) if (one.st_mtime or 0) > moment}

    def free(self, folder: str) -> int | None:
        with self._told(folder) as client:
            try:
                full = self._full(folder).encode("utf-8", "surrogateescape")
                kind, answer = client._request(sftp.CMD_EXTENDED, "statvfs@openssh.com", full)  # type: ignore[attr-defined]
            except OSError:  # a server without that extension
                return None
        if kind != _EXTENDED_REPLY:
            return None
        # OpenSSH's PROTOCOL, 4.4: bsize, frsize, blocks, bfree, bavail, …
        _block, fragment, blocks, _free, available = (answer.get_int64() for _field in range(5))
        return available * fragment if blocks else None

    def folders(self, folder: str) -> list[str]:
        return sorted(one.filename for one in self._listed(folder) if stat.S_ISDIR(one.st_mode or 0))

    def _listed(self, folder: str) -> list[paramiko.SFTPAttributes]:
        with self._told(folder) as client:
            try:
                return client.listdir_attr(self._full(folder))
            except FileNotFoundError:
                return []

    def make_folder(self, folder: str) -> None:
        with self._told(folder) as client:
            self._make(client, self._full(folder))

    def _make(self, client: paramiko.SFTPClient, full: str) -> None:
        try:
            client.stat(full)
        except FileNotFoundError:
            above = dirname(full.rstrip("/"))
            if above and above != full:
                self._make(client, above)
            try:
                client.mkdir(full, 0o700)
            except OSError:
                client.stat(full)  # another run made it meanwhile

    @contextlib.contextmanager
    def reading(self, path: str) -> Iterator[Reader]:
        with self._told(path) as client:
            size = client.stat(self._full(path)).st_size or 0
            with contextlib.closing(pieces(client, self._full(path), 0, size)) as coming:
                yield Reading(coming)

    @contextlib.contextmanager
    def writing(self, path: str, at: int | None) -> Iterator[Writer]:
        flags = sftp.SFTP_FLAG_WRITE | sftp.SFTP_FLAG_CREATE
        flags |= sftp.SFTP_FLAG_EXCL if at is None else 0 if at else sftp.SFTP_FLAG_TRUNC
        with self._told(path) as client, opened(client, self._full(path), flags) as stream:
            try:
                writing = Writing(client, stream, at or 0)
                yield writing
                writing.finish()
            except OSError as error:
                if error.errno is not None:
                    raise
                # All that version 3 of the protocol says of a disk that is full, or a quota, is "Failure".
                raise OSError(errno.ENOSPC, f"{error}: its disk or quota is full, most likely") from None

    def rename(self, path: str, name: str) -> None:
        with self._told(path) as client:
            full = self._full(path)
            there = join(dirname(full), name)
            try:
                client.posix_rename(full, there)
            except OSError as error:
                if isinstance(error, (FileNotFoundError, PermissionError)):
                    raise
                # A server without that extension renames onto nothing only.
                with contextlib.suppress(FileNotFoundError):
                    client.remove(there)
                client.rename(full, there)

    def remove(self, path: str) -> None:
        with self._told(path) as client, contextlib.suppress(FileNotFoundError):
            client.remove(self._full(path))

    def hashed(self, path: str, expected: str) -> tuple[str, str]:
        """By `sha256sum` over there where a shell is allowed and it says what is expected; else read back."""
        with self._told(path) as client:
            size = client.stat(self._full(path)).st_size or 0
        if self._has_shell and size >= WORTH_ASKING:
            said = self._far_hash(path, size)
            self._has_shell = said is not None
            if said == expected:
                return said, FAR_HASH
        with self.reading(path) as stream:
            return hash_of(stream), READ_BACK

    def _far_hash(self, path: str, size: int) -> str | None:
        target = replace(self.target, command=f"sha256sum -- {shlex.quote(self._full(path))}")
        try:
            with askpass.environment(target) as more:
                done = subprocess.run(
                    command_line(target), stdin=subprocess.DEVNULL, capture_output=True, env={**environ, **more},
                    timeout=60 + size / _SLOWEST, start_new_session=True, check=False,
                )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = _HASH.match(done.stdout)
        return match[1].decode("ascii") if match and done.returncode == 0 else None

    def _full(self, path: str) -> str:
        return join(self.path, path) if path else self.path

    @contextlib.contextmanager
    def _told(self, path: str) -> Iterator[paramiko.SFTPClient]:
        """The session; what goes wrong with it, or with `path`, as UpkeepError."""
        try:
            if self._client is None:
                self._client = self._held.enter_context(session.connected(self.target))
            yield self._client
        except BROKEN:
            raise troubles.lost(self.target.shown, "") from None
        except OSError as error:
            raise refusal(self.place, path, error) from None

    def _close(self) -> None:
        self._client = None
        with contextlib.suppress(UpkeepError, OSError, *BROKEN):
            self._held.close()
