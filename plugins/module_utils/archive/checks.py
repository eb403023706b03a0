# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks that a restore test runs in the scratch folder: does the dump load, does the configuration parse?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import Any, Dict, List

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

DEFAULT_TIMEOUT_S = 600
_KEPT_OUTPUT = 2000
_HIDDEN = "(hidden: no_log)"
# What a service manager or a login may have left unset.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of the machinery that runs the drill, not of the application: a check has no use for it, and some of it is secret.
_NOT_FOR_CHECKS = ("ANSIBLE_", "AWX_", "TOWER_", "SUDO_", "SSH_", "PYTHON", "LC_", "LD_", "LANGUAGE")


def parse(checks: List[Any]) -> List[Dict[str, Any]]:
    """Each check as {"name", "argv", "timeout", "no_log"}, an argv list or a dict. UpkeepError bad_parameter."""
    parsed = []
    for number, check in enumerate(checks, start=1):
        given = {"argv": check} if isinstance(check, (list, tuple)) else check
        argv = given.get("argv") if isinstance(given, dict) else None
        if not isinstance(argv, (list, tuple)) or not argv or not all(isinstance(a, (str, int, float)) for a in argv):
            message = f"checks: number {number} must be a list of arguments, or have one in argv (no shell runs it)."
            raise UpkeepError("bad_parameter", message, option="checks")
        argv = [str(argument) for argument in argv]
        timeout = given.get("timeout") or DEFAULT_TIMEOUT_S
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
            raise UpkeepError("bad_parameter", f"checks: number {number} has no usable timeout.", option="checks")
        no_log = given.get("no_log", False)
        if not isinstance(no_log, bool):
            raise UpkeepError("bad_parameter", f"checks: no_log of number {number} must be a bool.", option="checks")
        name = str(given.get("name") or argv[0])
        parsed.append({"name": name, "argv": argv, "timeout": timeout, "no_log": no_log})
    return parsed


def run(check: Dict[str, Any], folder: str) -> Dict[str, Any]:
    """Run one parsed check in `folder`: {"name", "argv", "rc", "ok", "duration_ms", "output"}.

    `output`, on failure, is the end of stdout and stderr, at most 2000 bytes. With `no_log` neither it nor the
    arguments are told. `rc` is 127 when the command does not exist, 124 when it took too long: then all that it started
    is killed. `UPKEEP_RESTORE` names the folder.
    """
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:  # a file, not memory: a check may be talkative
        try:
            code = _run(check["argv"], folder, check["timeout"], output)
            if code == 124 and time.monotonic() - begin >= check["timeout"]:
                output.seek(0, os.SEEK_END)
                output.write(b"stopped after %g s" % check["timeout"])
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            code = 127
            output.write((getattr(error, "strerror", None) or str(error)).encode())
        output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT_OUTPUT))
        tail = output.read().decode("utf-8", "replace")
    no_log = check.get("no_log", False)
    argv = [check["argv"][0], _HIDDEN] if no_log and len(check["argv"]) > 1 else check["argv"]
    result = {"name": check["name"], "argv": argv, "rc": code, "ok": code == 0}
    result["duration_ms"] = int((time.monotonic() - begin) * 1000)
    if code:
        result["output"] = _HIDDEN if no_log else tail
    return result


def _run(argv: List[str], folder: str, timeout: float, output: Any) -> int:
    """The exit code; 124 once it was killed, with its whole group, for taking longer than `timeout` seconds."""
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        argv, cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(folder: str) -> Dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_CHECKS)}
    return {"PATH": _PATH, **kept, "LC_ALL": "C.UTF-8", "UPKEEP_RESTORE": folder}
