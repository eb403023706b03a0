# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A few worker threads. What compresses, inflates and hashes lets go of the interpreter, so threads are enough.

`concurrent.futures` would do, but importing it (logging, weakref, queues of its own) takes as long as backing up a
small tree.
"""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import Any, Callable, List, Optional

MAX_THREADS = 16  # more would hold more blocks in memory than the promised 96 MiB allow


def usable_cpus() -> int:
    return min(len(os.sched_getaffinity(0)), MAX_THREADS)


class Pending:
    """The result of one call, when there is one."""

    __slots__ = ("_arguments", "_done", "_error", "_function", "_value")

    def __init__(self, function: Callable[..., Any], arguments: tuple) -> None:
        self._function: Optional[Callable[..., Any]] = function
        self._arguments = arguments
        self._done = threading.Lock()
        self._done.acquire()  # pylint: disable=consider-using-with  # held until there is a result
        self._value: Any = None
        self._error: Optional[BaseException] = None

    def result(self) -> Any:
        """Wait for it. Raises what the call raised, RuntimeError where the pool was closed before its turn."""
        with self._done:
            error = self._error
        try:
            if error is not None:
                raise error
            return self._value
        finally:
            del error  # its traceback holds this frame: a circle that would keep whole blocks in memory

    def run(self, dropped: bool) -> None:
        """For the pool alone, once: make the call, or say that it will not be made."""
        function, arguments = self._function, self._arguments
        self._function, self._arguments = None, ()  # what was given may be large: not kept until the result is taken
        try:
            if dropped or function is None:
                raise RuntimeError("the pool was closed")
            self._value = function(*arguments)
        except BaseException as error:  # pylint: disable=broad-exception-caught  # raised again where it is awaited
            self._error = error
        finally:
            self._done.release()


class Pool:
    """Calls start in the order they come, at most `threads` of them at once; one thread alone also keeps them in order.

    A thread starts when there is something for it to do. No process may be forked while a pool is open.
    """

    def __init__(self, threads: int) -> None:
        self._queue: SimpleQueue = SimpleQueue()
        self._most = threads
        self._threads: List[threading.Thread] = []
        self._closed = False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Pending:
        """Hand over a call; its `Pending.result()` waits for it. RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("the pool was closed")
        pending = Pending(function, arguments)
        self._queue.put(pending)
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, daemon=True)
            thread.start()
            self._threads.append(thread)
        return pending

    def close(self) -> None:
        """Wait for the calls under way; those not begun are dropped."""
        self._closed = True
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        for pending in iter(self._queue.get, None):
            pending.run(self._closed)
