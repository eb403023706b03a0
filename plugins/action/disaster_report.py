# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write what came of a disaster drill."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.plugin_utils import names
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import document as documents
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import text as texts
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "host": {"type": "str", "required": True},
        "results": {"type": "raw", "required": True},
        "started": {"type": "str", "required": True},
        "from": {"type": "str", "required": True},
        "at": {"type": "str"},
        "rebuild": {"type": "bool", "default": False},
        "load": {"type": "bool", "default": True},
        "dry": {"type": "bool", "default": False},
        "machine": {"type": "dict", "default": {}},
        "secrets_used": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The document, as data for recording; written unless this is a dry run."""
        home, now = self.home(), times.now()
        run = self.current_run(home)
        results = plain(arguments["results"]) or []
        drill_host = self.inventory_name()
        facts = {
            "project": self.project(),
            "run_id": self.run_id(),
            "host": arguments["host"],
            "drill_host": drill_host,
            "drill_machine": arguments["machine"],
            "from": arguments["from"],
            "at": arguments["at"] or None,
            "rebuild": arguments["rebuild"],
            "load": arguments["load"],
            "predicted": self.check or arguments["dry"],
            "secrets": arguments["secrets_used"],
            "started": arguments["started"],
            "finished": times.iso(now),
            "duration_ms": int((now - times.parse(arguments["started"])).total_seconds() * 1000),
            "ran_by": {"user": run.user if run else None, "controller": run.controller if run else None},
            "tool": tool(),
        }
        data = documents.composed(facts, [documents.part_of(one) for one in results])
        if facts["predicted"]:
            dry = {"skipped": True, "skip_reason": documents.planned(data)} if data["status"] == "ok" else {}
            return {**dry, "data": data}
        stem = f"{times.stamp(now)}-{names.encode(arguments['host'])}-on-{names.encode(drill_host)}"
        folder = home / "backups" / "disaster_drills"
        atomic.write_json(str(folder / f"{stem}.json"), data)
        atomic.write_text(str(folder / f"{stem}.txt"), texts.text(data))
        return {"changed": True, "data": data, "file": str(folder / f"{stem}.json")}
