# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of a run, the same in every process of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import processes

# AWX gives a workflow one id and each of its jobs another: the workflow is the run.
_AWX_VARIABLES = (
    ("awx_workflow_job_id", "awx-w"),
    ("tower_workflow_job_id", "awx-w"),
    ("awx_job_id", "awx-"),
    ("tower_job_id", "awx-"),
)
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def validated(run_id: str) -> str:
    """`run_id` if it is fit for a folder's name. Raises UpkeepError `bad_run_id`."""
    if not _FOLDER_NAME.fullmatch(run_id):
        raise UpkeepError(
            "bad_run_id",
            f"the run id {run_id!r} is not fit for a folder name: use 1 to 100 letters, digits, dots, dashes and "
            "underscores, a letter or digit first (it comes from run_id or UPKEEP_RUN_ID).",
        )
    return run_id


def current(variables: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> str:
    """$UPKEEP_RUN_ID, else AWX's workflow or job (`variables`), else the main process's start and number."""
    environ = os.environ if environ is None else environ
    given = environ.get("UPKEEP_RUN_ID")
    if given:
        return validated(given)
    for variable, prefix in _AWX_VARIABLES:
        number = variables.get(variable)
        if number not in (None, ""):
            return validated(f"{prefix}{number}")
    main = processes.main_process()
    return f"{times.stamp(main.started)}-{main.pid}"
