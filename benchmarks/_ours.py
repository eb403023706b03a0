# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One of our operations as a process, the way its module calls it: `_ours.py backup|verify '<request as JSON>'`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "collections"))


def backup(request: dict) -> bool:
    """True where a new archive was written."""
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup as engine

    return engine.run(engine.Request(**request))["changed"]


def verify(request: dict) -> bool:
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import restore as engine

    result = engine.run(engine.Request(**request))
    if result.failure is not None:
        sys.exit(result.failure.message)
    return result.changed


if __name__ == "__main__":
    json.dump({"changed": {"backup": backup, "verify": verify}[sys.argv[1]](json.loads(sys.argv[2]))}, sys.stdout)
