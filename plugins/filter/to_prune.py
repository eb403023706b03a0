# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `to_prune`: the backup sets of which archives should go, so that no host is asked for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: to_prune
short_description: The backup sets that have archives to remove
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Looks at what M(proven.upkeep.backup_archive) returned for each set, and holds its history against the rules.
  - Only sets that were backed up completely just now are among them.
positional: sets, keep, max_size
options:
  _input:
    description: The registered result of M(proven.upkeep.backup_archive), of a loop too.
    type: dict
    required: true
  sets:
    description: The sets, with C(name) and perhaps C(keep) and C(max_size).
    type: list
    elements: dict
    required: true
  keep:
    description: The rules of sets that name none, as for P(proven.upkeep.retention#filter).
    type: dict
    required: true
  max_size:
    description: The same for the size.
    type: str
"""

EXAMPLES = r"""
loop: "{{ backups | proven.upkeep.to_prune(backup_sets, {'last': 3, 'daily': 7}) }}"
"""

RETURN = r"""
_value:
  description: A dictionary a set, with C(name), C(archive) and what P(proven.upkeep.retention#filter) returns.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import retention
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


def to_prune(
    result: Any, sets: Sequence[Mapping[str, Any]], keep: Mapping[str, Any] | None, max_size: Any = None
) -> list[dict[str, Any]]:
    """The sets to prune, each with its policy. Raises AnsibleFilterError."""
    try:
        return retention.to_prune(plain(result), sets, keep, max_size)
    except UpkeepError as error:
        raise AnsibleFilterError(error.message)


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"to_prune": to_prune}
