# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `vaulted_sets`: the backup sets whose archives go to the controller's vault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: vaulted_sets
short_description: The backup sets whose archives go to the controller's vault
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Those of which the set itself, or else O(vault), says so. Never the operation's own, C(workflows), which is on the
    controller already, nor one that restic backs up, which has no archive.
positional: vault, engine
options:
  _input:
    description: The sets, each with C(name) and perhaps C(vault) and C(engine).
    type: list
    elements: dict
    required: true
  vault:
    description: Whether a set goes there that does not say. Null and the empty text mean that it does not.
    type: bool
    default: false
  engine:
    description: What backs up a set that does not say.
    type: str
    default: archive
"""

EXAMPLES = r"""
loop: "{{ backup_sets | proven.upkeep.vaulted_sets(true) }}"
"""

RETURN = r"""
_value:
  description: The sets.
  type: list
  elements: dict
"""

from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.wanted import vaulted


def vaulted_sets(sets: Sequence[Mapping[str, Any]] | None, vault: Any = False, engine: Any = None) -> list[Any]:
    """The sets to pull."""
    return vaulted(sets, vault, engine)


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"vaulted_sets": vaulted_sets}
