# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `of_engine`: the backup sets that one engine backs up on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: of_engine
short_description: The backup sets that one engine backs up on a host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - A set's own C(engine), or else that of all, decides. The operation's own set, C(workflows), is no host's and never
    among them.
positional: engine, default
options:
  _input:
    description: The sets, each with C(name) and perhaps C(engine).
    type: list
    elements: dict
    required: true
  engine:
    description: Whose sets are wanted.
    type: str
    choices: [archive, restic]
    required: true
  default:
    description: What backs up a set that does not say. Null and the empty text mean C(archive).
    type: str
    default: archive
"""

EXAMPLES = r"""
loop: "{{ backup_sets | proven.upkeep.of_engine('archive', backup_engine) }}"
"""

RETURN = r"""
_value:
  description: The sets.
  type: list
  elements: dict
"""

from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import WORKFLOWS


def of_engine(sets: Sequence[Mapping[str, Any]] | None, engine: str, default: Any = None) -> list[Any]:
    """The sets that `engine` backs up."""
    return [
        each
        for each in sets or []
        if each.get("name") != WORKFLOWS and (each.get("engine") or default or "archive") == engine
    ]


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"of_engine": of_engine}
