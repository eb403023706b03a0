# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rebuild one set of a lost host on this one from its restic repository: restore, load, check."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils._drill_host import DrillHostAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import rebuild


class ActionModule(DrillHostAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "host": {"type": "str", "required": True},
        "backup": {"type": "str", "required": True},
        "restic": {"type": "dict", "required": True},
        "at": {"type": "str", "default": "latest"},
        "dest": {"type": "path"},
        "dumps": {"type": "list", "elements": "dict", "default": []},
        "load": {"type": "bool", "default": True},
        "load_as": {"type": "str", "choices": ["administrator", "dumps"], "default": "administrator"},
        "checks": {"type": "list", "elements": "raw", "default": []},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The set's document, whatever came of it; in check mode what there is to rebuild it from."""
        told = rebuild.Rebuild(arguments["backup"], arguments["dest"])
        try:
            self._rebuild(told, arguments)
        except UpkeepError as error:
            told.facts.update(error.details.get("facts") or {})
            failure = {"failed": True, "error_code": error.code, "msg": error.message}
            return {"changed": True, **failure, "data": told.document()}
        return {"changed": not self.check, "data": told.document()}

    def _rebuild(self, told: rebuild.Rebuild, given: dict[str, Any]) -> None:
        known = ("repository", "password", "environment", "settings", "program", "options", "retry_lock")
        restic = {key: value for key, value in given["restic"].items() if key in known}
        here = {
            **restic,
            "name": given["backup"],
            "host": given["host"],
            "at": given["at"],
            "secrets": given["secrets"],
        }
        place = {**here, "mode": "restore", "load_dumps": False, **({"dest": told.dest} if told.dest else {})}
        if self.check:
            answer = told.step("take", lambda: rebuild.restored_by_restic(self.ask("restore_restic", place, dry=True)))
            room = self.room("restore", answer["bytes_restored"], told.dest or "/")
            told.entry = answer["entry"]
            told.facts.update(bytes_needed=room["bytes"], bytes_free=room["free"], rooms=[room])
            return
        facts = told.step("restore", lambda: rebuild.restored_by_restic(self.ask("restore_restic", place)))
        told.entry, holds_dumps = facts.pop("entry"), facts.pop("holds_dumps")
        told.facts.update(facts)
        load = rebuild.to_load(given["dumps"], given["load_as"] == "administrator")
        unnamed = [rebuild.NOT_NAMED] if holds_dumps and not given["dumps"] else []
        told.facts["not_restored"] = [*load.left, *unnamed] if given["load"] else []
        if given["load"] and load.any:
            asked = {**here, **load.parameters, "mode": "load", "overwrite": "always"}
            told.facts.update(told.step("databases", lambda: rebuild.loaded(self.ask("restore_restic", asked))))
        if given["checks"]:
            check = {"checks": given["checks"], "folder": told.dest or "/"}
            told.facts.update(told.step("checks", lambda: rebuild.checked(self.ask("restore_checks", check))))
