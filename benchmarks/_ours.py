# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One of our operations as a process, the way its module calls it: `_ours.py backup|verify|restore '<JSON>'`."""

from __future__ import annotations

import json
import os
import sys

# no pathlib: its import would be timed with ours
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "collections"))


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


def restore(request: dict) -> bool:
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import restore_in_place as engine

    result = engine.run(engine.Request(**request))
    if result.failure is not None:
        sys.exit(result.failure.message)
    return result.changed


if __name__ == "__main__":
    operation = {"backup": backup, "verify": verify, "restore": restore}[sys.argv[1]]
    json.dump({"changed": operation(json.loads(sys.argv[2]))}, sys.stdout)
