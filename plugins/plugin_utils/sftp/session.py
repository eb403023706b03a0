# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An SFTP session: paramiko speaks the protocol, over the pipes of an `ssh` process that carries it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import selectors
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import askpass, troubles
from .library import BROKEN, paramiko, require
from .target import PROMPT, READY, Target, command_line

_PIPE = 1 << 20  # as much as an unprivileged process may have (pipe(7))
_TAIL = 8192  # of what ssh says
_PATIENCE_S = 60.0  # until a session began; ssh itself gives up on a connection earlier
_GRACE_S = 5.0
# Without a byte in the middle of a session: sshd may answer still when its sftp-server does not.
_SILENCE_S = 120.0
_NOT_BEGUN: tuple[type[Exception], ...] = (OSError, *BROKEN)


@contextlib.contextmanager
def connected(target: Target, program: str = "ssh") -> Iterator[paramiko.SFTPClient]:
    """A session with `target` that ends with the block.

    Raises UpkeepError: host_key_unknown, host_key_changed, auth_failed, host_unreachable, sftp_refused,
    paramiko_missing; and for whatever ends the session inside the block connection_lost. What the far side says of a
    file stays an OSError.
    """
    require()
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(askpass.environment(target, program))
        carrier = stack.enter_context(_carried(target, program, environment))
        client = _begun(carrier, target)
        try:
            yield client
        except BROKEN:
            if carrier.is_silent:
                _end(carrier.process)
            raise troubles.lost(target.shown, carrier.said())


class _Patient(io.FileIO):
    """A pipe that is not waited on for ever. Raises TimeoutError."""

    def readinto(self, buffer: Any) -> int | None:
        _wait(self.fileno(), select.POLLIN)
        return super().readinto(buffer)


def _wait(fd: int, event: int) -> None:
    waiting = select.poll()
    waiting.register(fd, event)
    if not waiting.poll(_SILENCE_S * 1000):
        raise TimeoutError


class Carrier:
    """The ssh process as what paramiko takes for a socket: send, recv, close."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if not (process.stdin and process.stdout and process.stderr):
            raise ValueError("a carrier needs the three pipes of its process")
        self.process = process
        self._in, self._out, self._err = process.stdin.fileno(), process.stdout, process.stderr
        for stream in (process.stdout, process.stdin):
            with contextlib.suppress(OSError):
                fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
        self._reader: io.BufferedReader | None = None
        self._said = b""
        self.is_silent = False
        self._listener = threading.Thread(target=self._listen, daemon=True)

    def begin(self) -> None:
        """From here on stdout is the protocol, and stderr is listened to beside it."""
        self._reader = io.BufferedReader(_Patient(self._out.fileno(), closefd=False), 1 << 18)
        os.set_blocking(self._in, False)
        self._listener.start()

    def send(self, data: bytes) -> int:
        """Write some of it. A process that is gone, or takes nothing for too long, is the end of the session."""
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    return os.write(self._in, data)
                _wait(self._in, select.POLLOUT)
        except TimeoutError:
            self._fall_silent()
            raise EOFError
        except BrokenPipeError:
            raise EOFError

    def recv(self, length: int) -> bytes:
        """All of `length` bytes, or less at the end: paramiko asks for what a packet says that it has."""
        if self._reader is None:
            raise EOFError
        try:
            return self._reader.read(length)
        except TimeoutError:
            self._fall_silent()
            raise EOFError

    def close(self) -> None:
        """Nobody needs it: `_carried` ends the process."""

    def get_name(self) -> str:
        """For paramiko's log."""
        return "ssh"

    def said(self) -> str:
        """The end of what ssh said, once it has ended or had time to."""
        self._listener.join(_GRACE_S)
        return self._said.decode("utf-8", "replace")

    def hand_over(self, secret: str, host: str) -> None:
        """Answer the prompt of `Target.command`, and wait until the SFTP server runs. UpkeepError."""
        out, told, until = b"", False, time.monotonic() + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            while READY.encode() + b"\n" not in out:
                ready = selector.select(max(0.0, until - time.monotonic()))
                if not ready:
                    raise troubles.refused(host, self._said.decode("utf-8", "replace") + "\ntimed out")
                for key, _events in ready:
                    # Not a byte further than the line that says READY: what follows is the protocol's.
                    piece = os.read(key.fd, 1 if key.fileobj is self._out else 4096)
                    if not piece and key.fileobj is self._out:
                        self._said += self._err.read() or b""
                        raise troubles.refused(host, self._said.decode("utf-8", "replace"))
                    if key.fileobj is self._out:
                        out += piece
                    elif piece:
                        self._said = (self._said + piece)[-_TAIL:]
                    else:
                        selector.unregister(key.fileobj)
                if not told and PROMPT.encode() in self._said:
                    os.write(self._in, secret.encode() + b"\n")
                    told = True

    def _fall_silent(self) -> None:
        self.is_silent = True
        self._said += f"\nnothing came or went for {_SILENCE_S:.0f} s\n".encode()

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := os.read(self._err.fileno(), 4096):
                self._said = (self._said + piece)[-_TAIL:]


@contextlib.contextmanager
def _carried(target: Target, program: str, environment: dict[str, str]) -> Iterator[Carrier]:
    try:
        process = subprocess.Popen(
            command_line(target, program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environment},
            start_new_session=True,  # no terminal to ask on, and no Ctrl-C before us
        )
    except OSError as error:
        message = f"{target.shown}: {program} cannot be started ({error.strerror}): install OpenSSH's client."
        raise UpkeepError("sftp_refused", message, host=target.shown)
    try:
        yield Carrier(process)
    finally:
        _end(process)


def _begun(carrier: Carrier, target: Target) -> paramiko.SFTPClient:
    if target.secret_input is not None:
        carrier.hand_over(target.secret_input, target.shown)
    carrier.begin()
    # ssh itself gives up on a connection; this is for a far side that lets us in and then says nothing.
    watch = threading.Timer(_PATIENCE_S, carrier.process.kill)
    watch.daemon = True
    watch.start()
    try:
        return paramiko.SFTPClient(carrier)  # type: ignore[arg-type]
    except _NOT_BEGUN:
        raise troubles.refused(target.shown, carrier.said())
    finally:
        watch.cancel()


def _end(process: subprocess.Popen[Any]) -> None:
    """A far side that reads the end of its input goes by itself; one that does not is not waited for."""
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
