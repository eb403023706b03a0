# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a tool: bounded in time, in one locale, never asking a question."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass

from ..errors import UpkeepError

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "C",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",
}


@dataclass(frozen=True)
class Finished:
    """A finished command: its exit code and what it said."""

    rc: int
    stdout: str
    stderr: str


def run(argv: list[str], timeout: int = 120, allow: tuple[int, ...] = (0,), folder: str | None = None) -> Finished:
    """Run `argv` (in `folder`) and return what it said. `timeout` in seconds; then its whole process group is killed.

    Raises UpkeepError `command_failed` (missing, timed out, or an exit code that is not in `allow`).
    """
    command = " ".join(argv[:3]) + (" …" if len(argv) > 3 else "")
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
            start_new_session=True,
            cwd=folder,
        )
    except OSError as error:
        raise UpkeepError("command_failed", f"{argv[0]} could not be started: {error.strerror}.", command=command)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        # The children (apt's methods) hold the pipes: without them the group would outlive the command.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise UpkeepError(
            "command_failed", f"{command} did not end within {timeout} seconds and was stopped.", command=command
        )
    result = Finished(process.returncode, _text(stdout), _text(stderr))
    if result.rc not in allow:
        said = next((line for line in result.stderr.splitlines() if line.strip()), "nothing on stderr")
        raise UpkeepError("command_failed", f"{command} failed with exit code {result.rc}: {said}", command=command)
    return result


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")
