# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Apply a plan on a host, a slice of waiting at a time: whatever happens to the connection, the job goes on."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.proven.upkeep.plugins.plugin_utils import processes
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_MODULE = "proven.upkeep.patch_apply"
_SAY_EVERY_S = 30
_LONGEST_PAUSE_S = 5.0
_LOST_AT_MOST = 3  # answers in a row without any sense, on a connection that stands


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    _requires_connection = True
    TRANSFERS_FILES = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "patch_id": {"type": "str", "required": True},
        "plan_sha256": {"type": "str", "required": True},
        "direction": {"type": "str", "choices": ["apply", "back"], "default": "apply"},
        "wait": {"type": "int", "default": 15},
        "timeout": {"type": "int", "default": 3600},
        "reconnect_s": {"type": "int", "default": 300},
        "process": {"type": "str"},
        "states": {"type": "list", "elements": "dict"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The module's last answer; failed where the job is not ok."""
        given = {name: value for name, value in arguments.items() if value is not None}
        timeout, reconnect = given.pop("timeout"), given.pop("reconnect_s")
        given.setdefault("process", processes.this())
        begun = said = time.monotonic()
        first: dict[str, Any] = {}
        last: dict[str, Any] = {}
        while True:
            left = max(0, begun + timeout - time.monotonic())
            answer = self._slice({**given, "wait": min(given["wait"], int(left) + 1)}, reconnect)
            data = answer.get("data")
            if not isinstance(data, dict) or answer.get("failed"):
                # It was seen at work: what cannot be asked any more may still be.
                return {**answer, "data": last} if last else answer
            first, last = first or data, data
            # One answer of many: when it all began, and who had begun it, tells the first.
            data.update(started=first["started"], reattached=first["reattached"])
            data["duration_ms"] = round((time.monotonic() - begun) * 1000)
            if self.check or data["job"] != "running":
                break
            if left <= 0:
                break
            if time.monotonic() - said >= _SAY_EVERY_S:
                said = time.monotonic()
                say([progress(self.inventory_name(), given["direction"], said - begun, str(data["progress"]))])
        return {**answer, **failure(data, timeout, self.check)}

    def _slice(self, given: dict[str, Any], reconnect: int) -> dict[str, Any]:
        """One answer of the module, over a new connection where one is lost. Raises AnsibleConnectionFailure."""
        deadline, senseless, pause = time.monotonic() + reconnect, 0, 1.0
        while True:
            try:
                answer: dict[str, Any] = plain(self._execute_module(_MODULE, module_args=given, task_vars=self.vars))  # type: ignore[no-untyped-call]
            except AnsibleConnectionFailure:
                if time.monotonic() > deadline:
                    raise
            else:
                if not cut_off(answer):
                    return answer
                senseless += 1
                if time.monotonic() > deadline or senseless >= _LOST_AT_MOST:
                    return answer
            time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
            self._connect_anew()

    def _connect_anew(self) -> None:
        # The folder for temporary files may have gone with the connection: the next try makes its own.
        self._connection._shell.tmpdir = None
        reset = getattr(self._connection, "reset", None)
        if reset is not None:
            try:
                reset()
            except AnsibleConnectionFailure:
                return  # the next try will tell


def cut_off(answer: dict[str, Any]) -> bool:
    """Whether the module was cut off: no word of it, or what ssh says of a connection that has gone."""
    return bool(answer.get("failed")) and "module_stdout" in answer and not answer.get("error_code")


def progress(host: str, direction: str, seconds: float, said: str) -> str:
    """`  web1      patch         apply       running     41 s: Setting up openssl (3.0.15…)`"""
    head = f"  {host:<8}  {'patch':<12}  {direction:<10}  {'running':<10}  {round(seconds)} s"
    return f"{head}: {said}" if said else head


def failure(data: dict[str, Any], timeout: int, check: bool) -> dict[str, Any]:
    """How the task fails where the job is not ok; {} where it is."""
    job, said = data["job"], data["progress"] or "it said nothing"
    if check or job == "ok":
        return {}
    if job == "running":
        code = "apply_timeout"
        message = (
            f"the package manager still works after {timeout} seconds, and goes on ({said}): run the patch run again."
        )
    elif job == "failed":
        rcs = [step["rc"] for step in data["steps"] if step["name"] == data["failed_step"]]
        code = "apply_failed"
        message = f"{data['failed_step']} ended with exit code {rcs[-1] if rcs else '?'}: {data['why'] or said}"
    else:
        code = "apply_died"
        message = f"the package manager was killed in the middle, twice ({said}): look at the host, then run again."
    return {"failed": True, "error_code": code, "msg": message}
