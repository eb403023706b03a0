# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions of the patch policy share: the policy of the host at hand, the time, and what a step returns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .. import processes, runs
from .._action import UpkeepAction
from . import policy as policies
from . import protection
from .policy import Policy


class PolicyAction(UpkeepAction):
    """An action that decides by the variables of role `patch` that the host at hand has."""

    def policy(self, now: datetime) -> Policy:
        """The checked policy. Raises UpkeepError `invalid_policy`."""
        return policies.parse({name: self.variable(name) for name in policies.NAMES}, now.date())

    def backup_sets(self, policy: Policy) -> list[str]:
        """The names of the sets that count. Raises UpkeepError `invalid_policy`."""
        return protection.names_of(self.variable("backup_sets"), policy.backup_sets)

    @staticmethod
    def began(run: runs.Run | None) -> datetime:
        """When the run did."""
        return times.parse(run.started) if run else processes.main_process().started


def step(started: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """A result whose `data` says when it was made."""
    finished = times.now()
    took = {"started": times.iso(started), "finished": times.iso(finished)}
    return {"data": {**data, **took, "duration_ms": int((finished - started).total_seconds() * 1000)}}


def document(value: Any, name: str) -> dict[str, Any] | None:
    """A mapping that an argument holds; None for an empty one. Raises UpkeepError `bad_parameter`."""
    if value in (None, "", {}):
        return None
    if not isinstance(value, dict):
        raise UpkeepError("bad_parameter", f"{name}: it has to be the data that a module returned, not {value!r:.80}.")
    return value
