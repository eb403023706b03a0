# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that dump and load: as another user, within a time, with secrets that no process list shows."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from .model import Failed, wrong

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT_ERRORS = 4000
_STOPS_WITHIN_S = 20


class Account(NamedTuple):
    """A user of this host to run as."""

    name: str
    uid: int
    gid: int
    home: str


def account(name: Optional[str]) -> Optional[Account]:
    """The user to run as; None for whom we are already. Raises UpkeepError bad_parameter."""
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise wrong(f"run_as: this host has no user {name}")
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise wrong(f"run_as: only root can run as {name}; set become, or leave it out")
    return Account(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def first_account(*names: str) -> Optional[Account]:
    """The first of these users that this host has, for root: a database server does not run as root."""
    if os.geteuid() != 0:
        return None
    for name in names:
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return account(name)
    return account("nobody")


def find(*programs: str) -> Optional[str]:
    """The first of these programs that is here, by its path."""
    path = os.environ.get("PATH", "") + ":" + _PATH
    return next(filter(None, (shutil.which(program, path=path) for program in programs)), None)


class Finished(NamedTuple):
    code: int
    out: bytes
    errors: str


def run(
    argv: Sequence[str], *, seconds: float, user: Optional[Account] = None, stdin: Any = None, stdout: Any = None,
    env: Optional[Dict[str, str]] = None, fds: Sequence[int] = (), cwd: str = "/", check: bool = True,
) -> Finished:  # fmt: skip
    """Run a program to its end. `stdin` is bytes or a file, `stdout` a file (else it is returned).

    Raises Failed where it cannot start, takes longer, or (with `check`) does not end with 0.
    """
    program = os.path.basename(argv[0])
    with tempfile.TemporaryFile() as errors, contextlib.ExitStack() as stack:
        if isinstance(stdin, bytes):
            given = stack.enter_context(tempfile.TemporaryFile())
            given.write(stdin)
            given.seek(0)
            stdin = given
        out = stack.enter_context(tempfile.TemporaryFile()) if stdout is None else stdout
        process = start(argv, user=user, stdin=stdin, stdout=out, stderr=errors, env=env, fds=fds, cwd=cwd)
        with ended(process):
            try:
                code = process.wait(max(0.1, seconds))
            except subprocess.TimeoutExpired:
                raise Failed(f"it was stopped after {int(seconds)} s (timeout)", program)
        said = tail(errors)
        if check and code:
            raise Failed(last_line(said) or "it gave no reason", program, code)
        if stdout is None:
            out.seek(0)
            return Finished(code, out.read(), said)
        return Finished(code, b"", said)


def start(
    argv: Sequence[str], *, user: Optional[Account] = None, stdin: Any = None, stdout: Any = None, stderr: Any = None,
    env: Optional[Dict[str, str]] = None, fds: Sequence[int] = (), cwd: str = "/", dies_by: int = signal.SIGKILL,
) -> Any:  # fmt: skip
    """A process that ends when this one does, even killed. Raises Failed where it cannot start."""
    try:
        return subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with,subprocess-popen-preexec-fn
            list(argv), stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=stdout, stderr=stderr, cwd=cwd,
            env=environment(user, env or {}), pass_fds=tuple(fds), start_new_session=True,
            preexec_fn=_settled(user, dies_by, os.getpid()),
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Failed(getattr(error, "strerror", None) or str(error), os.path.basename(argv[0]), 127)


def environment(user: Optional[Account], more: Dict[str, str]) -> Dict[str, str]:
    """Little, and nothing of the machinery that runs us."""
    home = user.home if user else os.environ.get("HOME", "/")
    return {"PATH": os.environ.get("PATH", "") + ":" + _PATH, "LC_ALL": "C.UTF-8", "HOME": home, "TZ": "UTC", **more}


def _settled(user: Optional[Account], dies_by: int, parent: int) -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl

    def settle() -> None:
        os.umask(0o077)
        if user:
            os.initgroups(user.name, user.gid)
            os.setgid(user.gid)
            os.setuid(user.uid)
        prctl(_PR_SET_PDEATHSIG, dies_by)  # after that change of user, which would undo it
        if os.getppid() != parent:
            os._exit(1)

    return settle


@contextlib.contextmanager
def ended(process: Any, gently: Optional[int] = None) -> Iterator[None]:
    """Whatever happens in the block, the process and its group have ended after it."""
    try:
        yield
    finally:
        if process.poll() is None and gently is not None:
            process.send_signal(gently)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOPS_WITHIN_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def server(
    argv: Sequence[str], ready: Callable[[], bool], folder: str, user: Optional[Account], seconds: float,
    stop: int = signal.SIGTERM, dies_by: int = signal.SIGKILL,
) -> Iterator[None]:  # fmt: skip
    """A server of our own, while the block runs. Raises Failed with its last words where it does not come up."""
    with open(os.path.join(folder, "server.log"), "w+b") as log:  # noqa: PTH123
        process = start(argv, user=user, stdout=log, stderr=log, cwd=folder, dies_by=dies_by)
        with ended(process, stop):
            end = time.monotonic() + seconds
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    why = "ended" if process.poll() is not None else "did not answer in time"
                    raise Failed(f"the scratch server {why}: {last_line(tail(log))}", os.path.basename(argv[0]))
                time.sleep(0.05)
            yield


@contextlib.contextmanager
def private(text: str, user: Optional[Account] = None) -> Iterator[int]:
    """A file that only `user` can read, that is on no disk and under no name; its descriptor, for `at`."""
    fd = os.memfd_create("upkeep")
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, text.encode())
        if user:
            os.fchown(fd, user.uid, user.gid)
        yield fd
    finally:
        os.close(fd)


def at(fd: int) -> str:
    """The path by which a child process that was given the descriptor opens it."""
    return f"/proc/self/fd/{fd}"


class Lines:
    """What a process writes, line by line, each awaited no longer than there is time."""

    def __init__(self, stream: Any) -> None:
        self._fd, self._held = stream.fileno(), b""

    def next(self, seconds: float) -> Optional[str]:
        """The next line, or None at the end. Raises Failed when it does not come in time."""
        end = time.monotonic() + seconds
        while b"\n" not in self._held:
            if not select.select([self._fd], [], [], max(0.0, end - time.monotonic()))[0]:
                raise Failed("it did not answer in time (timeout)")
            piece = os.read(self._fd, 1 << 16)
            if not piece:
                return None
            self._held += piece
        line, _newline, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace")


def tail(stream: Any) -> str:
    """The end of what a program wrote."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - _KEPT_ERRORS))
    return stream.read().decode("utf-8", "replace")


def last_line(text: str) -> str:
    """The last line that says why. After a refused password libpq adds where it had it from."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("password retrieved from file")] or lines
    return lines[-1][-300:] if lines else ""


def scrub(text: str, secrets: Iterable[Any]) -> str:
    """`text` without any secret's value, which a program may have quoted."""
    values: List[str] = sorted((str(value) for value in secrets if value), key=len, reverse=True)
    for value in values:
        text = text.replace(value, "********")
    return text
