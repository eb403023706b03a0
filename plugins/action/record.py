# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a phase saw on a host: the observation, its evidence, and one line for a person."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.plugin_utils import observations, outcome, retention
from ansible_collections.proven.upkeep.plugins.plugin_utils._recording import CHECK_FAILED, RecordingAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part

_NOTHING_DONE = ("no_data: ", "nothing_verified: ", "incomplete: ", "censored: ")


class ActionModule(RecordingAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "required": True},
        "result": {"type": "raw"},
        "host": {"type": "str"},
        "name": {"type": "str"},
        "sets": {"type": "list", "elements": "dict", "default": []},
        "pruned": {"type": "raw"},
        "if_missing": {"type": "bool", "default": False},
        "proof_signing_key": {"type": "str"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Write the observation and its evidence; in check mode, show it and fail where it is a failure."""
        result = arguments["result"]
        if self.check and isinstance(result, dict) and result.get("error_code") == CHECK_FAILED:
            # A rescue after this action itself failed: all was said already.
            return {"recorded": False, "failed": True, "msg": result.get("msg"), "error_code": CHECK_FAILED}
        return self.recorded(self._observe(arguments), arguments["if_missing"], arguments["proof_signing_key"])

    def _observe(self, arguments: dict[str, Any]) -> Observation:
        phase = observations.validated_phase(arguments["phase"])
        host = arguments["host"] or self.inventory_name()
        parts, as_list = outcome.parts_of(phase, arguments["result"], arguments["name"])
        if self.check:
            parts = [_predicted(part) for part in parts]
        targets = {each.get("name"): each for each in arguments["sets"]}
        for part in parts:
            if phase == "restore_test" and isinstance(part.data, dict) and part.name in targets:
                part.data = outcome.with_targets(part.data, targets[part.name])
        retention.hold(parts, arguments["pruned"])
        return self.observed(phase, host, parts, as_list, arguments["name"])


def _predicted(part: Part) -> Part:
    """In check mode a module that did nothing has nothing to show; that is no failure."""
    is_plan = isinstance(part.data, dict) and "refused" in part.data  # a restore's dry run is all there is to see
    if (part.reason or "").startswith(_NOTHING_DONE) and not is_plan:
        return Part(part.name, "skipped", "check mode: nothing was done", part.duration_ms, part.changed, part.data)
    return part
