# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dumps of a snapshot, loaded into the operator's own servers."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import restored
from ansible_collections.proven.upkeep.plugins.module_utils.dumps._bench import private_folder
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import call, snapshots
from .call import Session
from .compare import DUMPS, pattern
from .drill import Request, opened_for


def run(request: Request, check: bool = False) -> restored.Result:
    """Load; with `check` only say what would be loaded. Nothing but the dumps is brought here, and they go again.

    Raises UpkeepError as `restored.run` does, dump_missing where the snapshot has none, and what restic raises.
    """
    repository = opened_for(request)
    with private_folder(state.ensure("dumps"), "load-") as folder:
        with call.opened(repository) as session:
            snapshot = snapshots.chosen(session, request.host or os.uname().nodename, request.name, request.at)
            dumps = _folder(session, snapshot)
            short = snapshot["id"][:8]
            if dumps is None:
                raise UpkeepError("dump_missing", f"dumps: the snapshot {short} holds none; choose another one.")
            session.call("restore", snapshot["id"], "--target", folder, "--verify", "--include", pattern(dumps))
        origin = {
            "backup": request.name, "archive": f"{repository.shown}#{short}", "archive_sha256": snapshot["id"],
            "archive_created": snapshots.created(snapshot),
        }  # fmt: skip
        here = os.path.join(folder, dumps.lstrip("/"))
        asked = restored.Request(
            archive=origin["archive"], dumps=request.dumps, only=request.only, secrets=request.secrets,
            overwrite="always" if request.overwrite == "always" else "never", extracted=(here, origin),
        )  # fmt: skip
        return restored.run(asked, check=check)


def _folder(session: Session, snapshot: Dict[str, Any]) -> Optional[str]:
    """Where the snapshot has its dumps; None where it has none."""
    for node in session.call("ls", snapshot["id"]).documents("node"):
        if node["name"] == DUMPS and node["type"] == "dir":
            return str(node["path"])
    return None
