# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `patch_states`: what a patch run has come to so far, to be noted on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import details, steps
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain

DOCUMENTATION = r"""
name: patch_states
author: The Upkeep maintainers (@proven)
version_added: "0.1.0"
short_description: The states that a patch run went through on a host
description:
  - Turns the registered results of the steps into state entries, as M(proven.upkeep.patch_note) takes them.
positional: run_id
options:
  _input:
    description: The registered result of each step that ran, by its name, as M(proven.upkeep.patch_record) takes them.
    type: dict
    required: true
  run_id:
    description: This run.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Note on the host how far it came
  proven.upkeep.patch_note:
    patch_id: "{{ __patch_begin.data.patch_id }}"
    stage: planned
    states: "{{ {'begin': __patch_begin, 'plan': __patch_plan} | proven.upkeep.patch_states(__patch_run_id) }}"
"""

RETURN = r"""
_value:
  description: >-
    Entries with C(state), C(started), C(finished), C(duration_ms), C(status) (ok, failed, refused, skipped), C(detail)
    and C(run_id), in the order of the states.
  type: list
  elements: dict
"""


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, Any]:
        """The filter by its name."""
        return {"patch_states": patch_states}


def patch_states(results: Mapping[str, Any], run_id: str) -> list[dict[str, Any]]:
    """The state entries; AnsibleFilterError where a step is unknown."""
    try:
        ran = steps.read(plain(results))
    except UpkeepError as error:
        raise AnsibleFilterError(error.message) from error
    return steps.entries(ran, str(run_id), details.details(ran))
