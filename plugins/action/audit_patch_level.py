# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audit a host's recorded patch level: no round trip to the host."""

from __future__ import annotations

from typing import Any

from ansible_collections.proven.upkeep.plugins.plugin_utils import findings
from ansible_collections.proven.upkeep.plugins.plugin_utils._audit_action import AuditAction, Looked
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine as advisories
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.findings import enriched


class ActionModule(AuditAction):
    """See the documentation of the module of this name."""

    ENGINE = "patch"

    def look(self, looked: Looked) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Findings of the patch level itself, with the CVEs that an update fixes where an index says."""
        seen = looked.seen
        found = findings.of_patch_level(seen.data, seen.project, seen.asset, seen.finished, seen.clock_skew_s)
        match = advisories.matched(looked.home, seen.data)
        partial = bool((seen.data.get("metadata") or {}).get("stale"))
        return {"status": "ok", "partial": partial}, found if match is None else enriched(found, seen.data, match)
