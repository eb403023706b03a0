# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A few forked processes, each with a part of the work: for what Python itself does, which threads cannot share."""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import signal
import threading
from typing import Any, Callable, Iterator, List, Sequence, Tuple

_EACH = 2000  # entries; fewer are not worth a process
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def how_many(most: int, entries: int) -> int:
    """Into how many processes work on so many entries is best split; 1, where a fork would lose running threads."""
    return 1 if threading.active_count() > 1 else max(1, min(most, entries // _EACH))


class Died(Exception):
    """A process did not answer: what it looked at is not known."""


@contextlib.contextmanager
def in_processes(function: Callable[[Any], tuple], parts: Sequence[Any]) -> Iterator[Callable[[], List[tuple]]]:
    """Start `function(part)` for each part, each in a process of its own; calling what this gives
    brings the answers, in order.

    An answer is made of plain values (`marshal`). Raises `Died` where one did not come, whatever the reason. All
    processes have ended when the block is left, and end with the calling one where that is killed; to be used where the
    calling process has no other threads.
    """
    running: List[Tuple[int, int]] = []
    try:
        for part in parts:
            running.append(_start(function, part, [fd for _child, fd in running]))
        yield lambda: [_answer(fd) for _child, fd in running]
    finally:
        for child, fd in running:
            os.close(fd)  # one that still writes meets a closed pipe
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)  # it has answered, or nobody wants its answer any more
            os.waitpid(child, 0)


def _start(function: Callable[[Any], tuple], part: Any, others: List[int]) -> Tuple[int, int]:
    """(process id, where its answer comes from)."""
    read, write = os.pipe()
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    try:  # nothing of the parent's may run here on the way out: no `finally`, no exit handler, no flushed buffer
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # or it would go on, and hold its locks, when the parent is killed
        if os.getppid() != parent:
            os._exit(1)
        for fd in [read, *others]:
            os.close(fd)
        answer = marshal.dumps((True, tuple(function(part))))
        with os.fdopen(write, "wb") as stream:
            stream.write(answer)
    except BaseException:  # pylint: disable=broad-exception-caught  # the parent sees that there is no answer
        os._exit(1)
    os._exit(0)


def _answer(fd: int) -> tuple:
    pieces = []
    for piece in iter(lambda: os.read(fd, 1 << 16), b""):
        pieces.append(piece)
    try:
        whole, answer = marshal.loads(b"".join(pieces))
    except (ValueError, EOFError, TypeError):
        raise Died
    if whole is not True:
        raise Died
    return answer
