# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SIGKILL before the n-th step that a piece of work takes on disk, for every n there is."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

from ansible_collections.proven.upkeep.plugins.module_utils.archive import blocks

_STEPS = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr", "os.removexattr",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def every_death(work: Callable[[], object]) -> Iterator[int]:
    """Run `work` in a child that dies before its first step on disk; in one that dies before its second; and so on,
    until one lives to the end. After each that died, its number is handed out, to look at what it left."""
    number = 0
    while _dies(number, work):
        yield number
        number += 1
    assert number, "nothing was written at all"


def _dies(at: int, work: Callable[[], object]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            _die_before(at)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the work itself failed: see its traceback"
    return False


def _die_before(at: int) -> None:
    """Python's audit events tell of most steps; what has none is wrapped: fsync, and a block half written."""
    left = [at]

    def step() -> None:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def hear(event: str, arguments: tuple) -> None:
        if event in _STEPS or (event == "open" and (arguments[2] or 0) & _WRITING):
            step()

    fsync, write = os.fsync, blocks.BlockWriter._write

    def counted_fsync(fd: int) -> None:
        step()
        fsync(fd)

    def by_halves(self: blocks.BlockWriter, data: bytes) -> None:
        write(self, data[: len(data) // 2])
        step()
        write(self, data[len(data) // 2 :])

    os.fsync = counted_fsync
    blocks.BlockWriter._write = by_halves
    sys.addaudithook(hear)
