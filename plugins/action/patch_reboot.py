# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reboot a host within a patch run, and wait on the controller until it is back."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import rebooting
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_MODULE = "proven.upkeep.patch_reboot"
# A host that dies while it is asked something never says so.
_KEEP_ALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    _requires_connection = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "patch_id": {"type": "str", "required": True},
        "expected_kernel": {"type": "str"},
        "timeout": {"type": "int", "default": 600},
        "ask": {"type": "bool", "default": True},
        "prepare": {"type": "bool", "default": False},
        "states": {"type": "list", "elements": "dict"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Prepare and ask, and then wait; check mode only prepares."""
        only_prepare = arguments["prepare"] or self.check
        if only_prepare or arguments["ask"]:
            given = {key: arguments[key] for key in ("patch_id", "expected_kernel", "states")}
            asked = self._on_host({**given, "step": "prepare" if only_prepare else "ask"})
            if "data" not in asked:
                return {**asked, "failed": True}
            if only_prepare:
                done = {"rebooted": False, "boot": None, "kernel": None, "state": None, "settled": False}
                data = {**asked["data"], **done, "expected_kernel": arguments["expected_kernel"]}
                return {"changed": self.check and not arguments["prepare"], "data": data}
        self._keep_alive()
        host = self.inventory_name()
        told = rebooting.wait(lambda: self._look(arguments["patch_id"]), host, arguments["timeout"], _say)
        return {
            "changed": True,
            "data": rebooting.judge(told, host, arguments["timeout"], arguments["expected_kernel"]),
        }

    def _on_host(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # A folder of the boot before may be gone with it.
        self._connection._shell.tmpdir = None
        return dict(
            plain(
                self._execute_module(  # type: ignore[no-untyped-call]
                    module_name=_MODULE, module_args=arguments, task_vars=self.vars
                )
            )
        )

    def _look(self, patch_id: str) -> dict[str, Any] | str:
        """What the host says of its boot, or why it says nothing. Raises UpkeepError on what waiting does not mend."""
        try:
            if type(self._connection).reset is not ConnectionBase.reset:
                self._connection.reset()
            answer = self._on_host({"patch_id": patch_id, "step": "look"})
        except (AnsibleError, OSError) as error:
            return str(getattr(error, "message", None) or error)
        if "data" in answer:
            return dict(answer["data"])
        if answer.get("error_code"):
            raise UpkeepError(str(answer["error_code"]), str(answer.get("msg")))
        return str(answer.get("module_stderr") or answer.get("msg") or "it does not answer")

    def _keep_alive(self) -> None:
        if self._connection.transport == "ssh":
            given = self._connection.get_option("ssh_common_args") or ""
            if "ServerAliveInterval" not in given:
                self._connection.set_option("ssh_common_args", f"{given} {_KEEP_ALIVE}".strip())


def _say(line: str) -> None:
    say([line])
