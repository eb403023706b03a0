# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `given`: a value, or another where none was given."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: given
short_description: A value, or another where none was given
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Null and the empty text count as not given, as AWX hands over survey questions without an answer.
  - 0 and false are given.
positional: otherwise
options:
  _input:
    description: The value.
    type: raw
    required: true
  otherwise:
    description: What to take where it is not given.
    type: raw
    required: true
"""

EXAMPLES = r"""
max_age: "{{ patch_max_age | proven.upkeep.given(86400) }}"
"""

RETURN = r"""
_value:
  description: The value, or the other one.
  type: raw
"""


def given(value: Any, otherwise: Any) -> Any:
    """`value`, or `otherwise` where it is None or the empty text."""
    return otherwise if value is None or (isinstance(value, str) and not value) else value


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"given": given}
