# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file through a program into another file, hashed on both sides while it streams: read once, written once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

_PIECE = 1 << 18
_KEPT_OUTPUT = 2000


class Piped(NamedTuple):
    """What went in and what came out; `said` is the end of the program's stderr."""

    rc: int
    read_sha256: str
    read_bytes: int
    sha256: str
    bytes: int
    said: str


def piped(argv: List[str], source: int, sink: int, environment: Optional[Dict[str, str]] = None) -> Piped:
    """Feed `source` to the program's stdin and write its stdout to `sink` (descriptors), from where they stand.

    Raises OSError: of the program's start (then with its file name), of reading, or of writing. The program is gone
    afterwards, whatever happens, and it never has a terminal to ask on.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            start_new_session=True,
        )
        feeder = _Feeder(source, process.stdin)
        feeder.start()
        try:
            sha256, written = _taken(process.stdout, sink)
            feeder.join()
            rc = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            feeder.join()
            if process.stdout is not None:
                process.stdout.close()
        if feeder.error is not None:
            raise feeder.error
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _KEPT_OUTPUT))
        said = stderr.read().decode("utf-8", "replace").strip()
    return Piped(rc, feeder.sha.hexdigest(), feeder.bytes, sha256, written, said)


def last_line(said: str) -> str:
    """What a program said last, for a message."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and "report unexpected" not in line]
    return lines[-1] if lines else "it said nothing"


def _taken(stdout: Any, sink: int) -> Tuple[str, int]:
    sha, count = hashlib.sha256(), 0
    while True:
        data = os.read(stdout.fileno(), _PIECE)
        if not data:
            return sha.hexdigest(), count
        sha.update(data)
        count += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(sink, view) :]


class _Feeder(threading.Thread):
    """Reads the source and hands it on. A program that ends early ends it, too, and says itself why."""

    def __init__(self, source: int, stdin: Any) -> None:
        super().__init__(daemon=True)
        self._source, self._stdin = source, stdin
        self.sha, self.bytes = hashlib.sha256(), 0
        self.error: Optional[OSError] = None

    def run(self) -> None:
        try:
            while True:
                data = os.read(self._source, _PIECE)
                if not data:
                    break
                self.sha.update(data)
                self.bytes += len(data)
                try:
                    self._stdin.write(data)
                except BrokenPipeError:
                    break
        except OSError as error:
            self.error = error
        finally:
            with contextlib.suppress(OSError):
                self._stdin.close()
