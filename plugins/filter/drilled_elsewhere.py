# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What came of a drill that runs on another machine than the backup is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: drilled_elsewhere
short_description: What came of a drill on another machine, for recording
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Chooses between the result of bringing the archive and that of the drill, as one of a loop over the sets.
  - A machine to drill on that cannot be reached is a failed drill with the code C(drill_host_unreachable), since the
    host that the backup is of was reached.
positional: there, item, place
options:
  _input:
    description: The registered result of M(proven.upkeep.archive_fetch); empty where it is not what counts.
    type: dict
    required: true
  there:
    description: The registered result of M(proven.upkeep.restore_elsewhere).
    type: dict
    required: true
  item:
    description: The backup set.
    type: dict
    required: true
  place:
    description: The machine to drill on, for the message.
    type: str
    required: true
"""

EXAMPLES = r"""
result: "{{ brought | proven.upkeep.drilled_elsewhere(drilled, item, 'drill1') }}"
"""

RETURN = r"""
_value:
  description: A result as of a loop's item.
  type: dict
"""


def drilled_elsewhere(
    brought: Mapping[str, Any], there: Mapping[str, Any], item: Mapping[str, Any], place: str
) -> dict[str, Any]:
    """The result that counts, with `item`."""
    if brought and "archive" not in brought:
        result = dict(brought)
    elif there.get("unreachable"):
        message = f"restore_test_on: {place} cannot be reached: {there.get('msg') or 'no connection'}"
        result = {"failed": True, "error_code": "drill_host_unreachable", "msg": message}
    else:
        result = dict(there)
    return {**result, "item": dict(item), "ansible_loop_var": "item"}


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"drilled_elsewhere": drilled_elsewhere}
