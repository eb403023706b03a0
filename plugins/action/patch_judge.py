# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a host in a patch run: fit to be changed before, as planned and as well as before afterwards."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import preflight, verify
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching._policy_action import PolicyAction, document, step

_SEEN = ("begin", "level", "plan", "applied", "restart", "reboot", "health", "level_after")


class ActionModule(PolicyAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "of": {"type": "str", "choices": ["preflight", "verify"], "required": True},
        "direction": {"type": "str", "choices": ["apply", "back"], "default": "apply"},
        **{name: {"type": "raw"} for name in _SEEN},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The judgement, by what each step returned."""
        now = times.now()
        policy = self.policy(now)
        seen = {name: document(arguments[name], name) for name in _SEEN}
        if arguments["of"] == "preflight":
            began = self.began(None if self.check else self.current_run(self.home()))
            said = preflight.judge(seen["begin"], seen["level"], seen["plan"], policy, began, now, self.check)
        elif seen["plan"] is None:
            raise UpkeepError("bad_parameter", "plan: without the plan nobody can judge whether it was done.")
        else:
            after = seen.pop("level_after")
            said = verify.judge(verify.Seen(**seen, after=after), policy, arguments["direction"] == "back")  # type: ignore[arg-type]
        return step(now, {"status": said.status, "problems": said.problems, "notes": said.notes})
