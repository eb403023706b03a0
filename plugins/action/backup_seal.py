# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypt on the host to public keys that stand in files or keyrings of the controller: the host gets their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes
from ansible_collections.proven.upkeep.plugins.plugin_utils import public_keys
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The keys are read and looked at here, so that no private one gets anywhere."""
        result = super().run(tmp, task_vars)
        del tmp
        arguments = plain(dict(self._task.args))
        given = arguments.get("recipients")
        try:
            if given is not None:
                arguments["recipients"] = public_keys.texts(
                    [given] if isinstance(given, str) else given, self._home(task_vars or {})
                )
        except UpkeepError as error:
            return {**result, "failed": True, **error.result()}
        return {
            **result,
            **self._execute_module("proven.upkeep.backup_seal", module_args=arguments, task_vars=task_vars),  # type: ignore[no-untyped-call]
        }

    def _home(self, variables: dict[str, Any]) -> Path:
        def templated(name: str) -> Any:
            return plain(self._templar.template(variables.get(name)))

        return homes.resolve(homes.explicit(variables, templated)).path
