# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `retention`: by what rules the archives of a backup set are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: retention
short_description: By what rules the archives of a backup set are kept
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - The set's own C(keep) and C(max_size), else those given for all sets, checked and complete.
positional: keep, max_size
options:
  _input:
    description: The set, with C(name) and perhaps C(keep) and C(max_size).
    type: dict
    required: true
  keep:
    description: >-
      C(last), C(daily), C(weekly), C(monthly), C(yearly) and C(at_least), each a number. With no rule all is kept.
    type: dict
    required: true
  max_size:
    description: What all archives of the set may take together, such as V(20G).
    type: str
"""

EXAMPLES = r"""
history: "{{ (item | proven.upkeep.retention({'last': 3, 'daily': 7})).history }}"
"""

RETURN = r"""
_value:
  description: >-
    C(keep_last), C(keep_daily), C(keep_weekly), C(keep_monthly), C(keep_yearly), C(keep_at_least), C(max_size) in
    bytes, and C(history), whether more than the last archive can be wanted.
  type: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.retention import policy


def retention(backup_set: Mapping[str, Any], keep: Mapping[str, Any] | None, max_size: Any = None) -> dict[str, Any]:
    """The parameters of `backup_prune` for a set, and `history`. Raises AnsibleFilterError."""
    try:
        return policy(backup_set, keep, max_size)
    except UpkeepError as error:
        raise AnsibleFilterError(error.message)


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"retention": retention}
