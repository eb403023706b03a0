# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring an archive to the controller piece by piece: the module reads each piece as whoever the task becomes."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from ansible.plugins.action import ActionBase
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

_ATTEMPTS = 2
# Where a manifest stands beside its archive.
_SUFFIX = ".manifest.jsonl.gz"


class _Changed(Exception):
    """The file on the host is not the one of the piece before."""


class _Skipped(Exception):
    """The host says why it leaves this out."""


class ActionModule(ActionBase):
    """See the documentation of the module of this name."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch both files; what the host said of a failure is the failure."""
        result = super().run(tmp, task_vars)
        del tmp
        self.vars = task_vars or {}
        arguments = plain(dict(self._task.args))
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "skip_reason": "check mode: no archive is brought"}
        try:
            if not arguments.get("archive") or not arguments.get("dest"):
                raise UpkeepError("bad_parameter", "archive and dest: both are needed.")
            return {**result, "changed": True, **self._fetch(arguments, Path(arguments["dest"]))}
        except _Skipped as skipped:
            return {**result, "changed": False, "skipped": True, "skip_reason": str(skipped)}
        except UpkeepError as error:
            return {**result, "failed": True, **error.result()}
        except OSError as error:
            told = f"dest: {error.filename or arguments['dest']} cannot be written ({error.strerror})."
            return {
                **result,
                "failed": True,
                "error_code": "controller_full" if error.errno == 28 else "fetch_failed",
                "msg": told,
            }

    def _fetch(self, arguments: dict[str, Any], dest: Path) -> dict[str, Any]:
        atomic.make_folder(str(dest))
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                first, archive = self._file(arguments, "archive", dest, None)
                manifest = self._file(arguments, "manifest", dest, archive)[1]
                if self._piece(arguments, "archive", 0, 0)["stamp"] != first["stamp"]:
                    raise _Changed
                return {
                    "archive": str(archive),
                    "manifest": str(manifest) if manifest else None,
                    "origin": first["path"],
                    "machine": first["machine"],
                }
            except _Changed:
                if attempt == _ATTEMPTS:
                    message = (
                        f"archive: {arguments['archive']} is being replaced again and again; try when no backup runs."
                    )
                    raise UpkeepError("archive_changed", message)
        raise AssertionError("not reached")

    def _file(self, arguments: dict[str, Any], which: str, dest: Path, beside: Path | None) -> tuple[Any, Path | None]:
        """The first answer, and where the whole file lies; None for a manifest that is not there."""
        first = self._piece(arguments, which, 0)
        if first["size"] is None:
            return first, None
        free = shutil.disk_usage(dest).free
        if free < first["size"]:
            message = f"dest: {dest} has {free} bytes free, {first['path']} has {first['size']}; nothing was brought."
            raise UpkeepError("controller_full", message, free=free, required=first["size"])
        path = beside.with_name(beside.name + _SUFFIX) if beside else dest / os.path.basename(first["path"])
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            self._rest(arguments, which, first, stream)
        return first, path

    def _rest(self, arguments: dict[str, Any], which: str, first: dict[str, Any], stream: BinaryIO) -> None:
        piece, done = first, 0
        while True:
            content = base64.b64decode(piece["content"])
            stream.write(content)
            done += len(content)
            if done >= first["size"]:
                return
            piece = self._piece(arguments, which, done)
            if piece["stamp"] != first["stamp"] or not piece["content"]:
                raise _Changed

    def _piece(self, arguments: dict[str, Any], which: str, offset: int, length: int | None = None) -> dict[str, Any]:
        given: dict[str, Any] = {
            key: arguments[key] for key in ("archive", "slice", "requires_root") if key in arguments
        }
        given.update({"which": which, "offset": offset}, **({} if length is None else {"slice": length}))
        answer = plain(
            self._execute_module("proven.upkeep.archive_fetch", module_args=given, task_vars=self.vars)  # type: ignore[no-untyped-call]
        )
        if answer.get("skipped"):
            raise _Skipped(answer.get("skip_reason") or "skipped")
        if answer.get("failed") or "stamp" not in answer:
            raise UpkeepError(
                answer.get("error_code") or "fetch_failed", str(answer.get("msg") or "no answer from the host")
            )
        return answer
