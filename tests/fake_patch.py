# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for each action of a patch run that would change a host, in a clone of a test's own: `install` copies this.

It answers as a host would on which all goes well, notes in `fake_calls`/<host> that it was called, and with what. What
else it is to answer says the host's variable `fake`: by call (`patch_apply back`), a result, or a list of them, one a
call.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

NAMES = (
    "patch_admit", "patch_begin", "patch_select", "patch_plan", "patch_judge", "patch_protected", "patch_protect",
    "patch_note", "patch_apply", "patch_restart", "patch_reboot", "patch_health", "patch_end", "patch_level",
    "patch_story",
)  # fmt: skip
ACTION = {
    "action": "upgrade",
    "name": "openssl",
    "arch": "amd64",
    "from": "1",
    "to": "2",
    "why": "",
    "reversible": True,
}
PLAN = {
    "schema": "upkeep.plan/1", "host": "", "policy_sha256": "p" * 64, "made": "2026-11-24T02:00:00Z", "manager": "apt",
    "actions": [ACTION], "left_out": [], "plan_sha256": "a" * 64, "download_bytes": 1, "disk_bytes": 1, "room": [],
    "refused": None,
}  # fmt: skip
WHEN = {"started": "2026-11-24T02:00:00Z", "finished": "2026-11-24T02:00:01Z", "duration_ms": 1000}
CHANGED = [{"name": "openssl", "arch": "amd64", "from": "1", "to": "2"}]
WELL = {
    "patch_admit": {"admitted": True, "code": None, "reason": None, "ring": "ring_canary"},
    "patch_begin": {"patch_id": "20261124T020000Z-1", "continues": None, "plan": None, "job": None, "ended": [],
                    "drained": False,
                    "before": {}, "problems": []},
    "patch_level": {
        "schema": "upkeep.patch_level/1", "manager": "apt", "host": {}, "metadata": {}, "installed": [], "pending": [],
        "removals": [], "kernel": {"running": "1", "newest_installed": None}, "services_stale": [], "health": {},
        "reboot": {"required": False, "reasons": []},
        "counts": {"installed": 1, "pending": 1, "security": 1, "blocked": 0},
    },
    "patch_judge": {"status": "ok", "problems": []},
    "patch_select": {"wanted": [ACTION], "left_out": [], "policy_sha256": "p" * 64, "notes": []},
    "patch_plan": PLAN,
    "patch_protected": {"protected": True, "sets": []},
    "patch_protect": {"fetched": 1, "fetched_bytes": 1, "kept": [], "irreversible": [], "room": []},
    "patch_apply": {"job": "ok", "steps": [], "progress": "", "log": "done", "changed": CHANGED, "config_leftovers": [],
                    "unfinished": [], "unit": "u", "reattached": False, "repaired": False},
    "patch_restart": {"status": "ok", "restarted": [], "failed": [], "excluded": [], "deferred": [], "left": []},
    "patch_reboot": {"rebooted": True, "kernel": "2", "expected_kernel": None},
    "patch_health": {"checks": [], "units": {}, "listening": [], "problems": []},
}  # fmt: skip
_QUALIFIED = {"patch_apply": "direction", "patch_judge": "of", "patch_note": "drained", "patch_reboot": "prepare"}


def install(clone: Path, but: str = "") -> None:
    """Put it in the place of the real ones, but for one."""
    for name in set(NAMES) - {but}:
        shutil.copy(__file__, clone / f"plugins/action/{name}.py")


class ActionModule(ActionBase):
    """Answers as told."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        name = self._task.action.rpartition(".")[2]
        given = plain(self._task.args)
        qualifier = given.get(_QUALIFIED.get(name, ""))
        call = f"{name} {qualifier}" if qualifier else name
        if self._task.check_mode:
            call += " look"
        calls = Path(str(task_vars["fake_calls"])) / str(task_vars["inventory_hostname"])
        earlier = [json.loads(line)["call"] for line in calls.read_text().splitlines()] if calls.exists() else []
        with calls.open("a") as stream:
            stream.write(json.dumps({"call": call, "given": given}) + "\n")
        told = plain(task_vars.get("fake") or {}).get(call, {})
        if isinstance(told, list):
            told = told[min(earlier.count(call), len(told) - 1)]
        data = {**WELL.get(name, {}), **WHEN, **told.pop("data", {})}
        answered = not told.get("unreachable") and (not told.get("failed") or told.get("with_data"))
        return {"changed": False, **({"data": data} if answered else {}), **told}
