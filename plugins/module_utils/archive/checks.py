# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks that a restore test runs in the scratch folder: does the dump load, does the configuration parse?"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import Any, Dict, List

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

DEFAULT_TIMEOUT_S = 600
_KEPT_OUTPUT = 2000


def parse(checks: List[Any]) -> List[Dict[str, Any]]:
    """Each check as {"name", "argv", "timeout"}, given as an argv list or such a dict. UpkeepError bad_parameter."""
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
        parsed.append({"name": str(given.get("name") or argv[0]), "argv": argv, "timeout": timeout})
    return parsed


def run(check: Dict[str, Any], folder: str) -> Dict[str, Any]:
    """Run one parsed check in `folder`: {"name", "argv", "rc", "ok", "duration_ms", "output" (its end, on failure)}.

    `rc` is 127 when the command does not exist, 124 when it took too long. `UPKEEP_RESTORE` names the folder.
    """
    begin = time.monotonic()
    environment = dict(os.environ, UPKEEP_RESTORE=folder, LC_ALL="C.UTF-8")
    with tempfile.TemporaryFile() as output:  # a file, not memory: a check may be talkative
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                check["argv"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, timeout=check["timeout"], check=False,
            )  # fmt: skip
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = 124
            output.write(b"stopped after %d s" % int(check["timeout"]))
        except OSError as error:
            code = 127
            output.write((error.strerror or str(error)).encode())
        output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT_OUTPUT))
        tail = output.read().decode("utf-8", "replace")
    result = {"name": check["name"], "argv": check["argv"], "rc": code, "ok": code == 0}
    result["duration_ms"] = int((time.monotonic() - begin) * 1000)
    if code:
        result["output"] = tail
    return result
