# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drill an archive of the controller on another machine: hand it over, verify it there, take it away again."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import sealing
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_OWN = ("archive", "manifest", "origin", "machine", "place", "taken_from", "sealed", "opened_with")
_MODULE = "proven.upkeep.restore_verify"


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    _supports_check_mode = True
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of restore_verify there, told as of the archive where it came from."""
        result = super().run(tmp, task_vars)
        del tmp
        arguments = plain(dict(self._task.args))
        archive, manifest = arguments.get("archive"), arguments.get("manifest") or None
        if arguments.get("compare") == "live":
            message = "compare: live needs the drill on the host that was backed up (restore_test_on: host)."
            return {**result, "failed": True, "error_code": "bad_parameter", "msg": message}
        given = {key: value for key, value in arguments.items() if key not in _OWN}
        try:
            there = self._handed_over([archive, *([manifest] if manifest else [])])
            given.update(archive=there[0], manifest=there[1] if manifest else None)
            answer = plain(self._execute_module(_MODULE, module_args=given, task_vars=task_vars))  # type: ignore[no-untyped-call]
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]
        answer = _told_as_of(answer, there[0], str(arguments.get("origin") or archive))
        if isinstance(answer.get("data"), dict):
            _by_the_clock_here(answer["data"])
            at = answer["data"].get("restored_on") or {}
            answer["data"]["restored_on"] = {"host": str(arguments.get("place") or "controller"), **at}
            if arguments.get("machine"):
                answer["data"]["restored_from"] = {**arguments["machine"], **_taken(arguments.get("taken_from"))}
            if arguments.get("opened_with"):
                sealed = arguments.get("sealed") or {}
                answer["data"]["sealed"] = sealing.opened(
                    str(sealed.get("program")), sealed.get("recipients") or [], arguments["opened_with"]
                )
        return {**result, **answer}

    def _handed_over(self, files: list[str]) -> list[str]:
        """Where the files lie on the machine that verifies; as they are where that is this one."""
        if self._connection.transport == "local":
            return files
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()  # type: ignore[no-untyped-call]
        folder = self._connection._shell.tmpdir
        there = [self._connection._shell.join_path(folder, os.path.basename(file)) for file in files]
        for here, place in zip(files, there):
            self._transfer_file(here, place)  # type: ignore[no-untyped-call]
        self._fixup_perms2((folder, *there), execute=False)  # type: ignore[no-untyped-call]
        return there


def _taken(place: Any) -> dict[str, str]:
    return {"taken_from": str(place)} if place else {}


def _by_the_clock_here(data: dict[str, Any]) -> None:
    """The drill's times by the controller's clock: evidence would take a drill host's for the backed-up host's own."""
    now = times.now()
    data["started"] = times.from_timestamp(now.timestamp() - (data.get("duration_ms") or 0) / 1000)
    data["finished"] = times.iso(now)


def _told_as_of(answer: dict[str, Any], there: str, origin: str) -> dict[str, Any]:
    """The answer with the archive's own place instead of its copy's, in sentences too."""
    replaced: dict[str, Any] = json.loads(json.dumps(answer).replace(json.dumps(there)[1:-1], json.dumps(origin)[1:-1]))
    return replaced
