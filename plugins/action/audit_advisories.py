# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audit a host's recorded patch level by the advisory index: its vulnerabilities. No round trip to the host."""

from __future__ import annotations

from typing import Any

from ansible_collections.proven.upkeep.plugins.plugin_utils._audit_action import AuditAction, Looked
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine, health


class ActionModule(AuditAction):
    """See the documentation of the module of this name."""

    ENGINE = engine.NAME

    def blank(self) -> dict[str, Any]:
        """The engine before it has looked: skipped, where nobody has built an index."""
        return engine.blank()

    def look_without_level(self, home: Any) -> dict[str, Any] | None:
        """Without an index nobody looks, whatever the patch level."""
        return None if engine.is_built(home) else {"status": "skipped", "reason": health.NEVER_BUILT}

    def look(self, looked: Looked) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The vulnerabilities of what is installed, fixable and not."""
        seen = looked.seen
        return engine.look(looked.home, seen.data, seen.project, seen.asset, seen.finished, looked.now)
