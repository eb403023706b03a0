# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `chosen_sets`: the backup sets that a role is to work on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: chosen_sets
short_description: The backup sets that a role is to work on
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Picks sets by name, and leaves out of each what is null or the empty text, so that a default counts there.
  - Fails on a set without a name, on a name that is not fit for a file name, on one that is there twice, and on a
    wanted name that is none of O(known), of these sets, or C(workflows).
positional: only, known
options:
  _input:
    description: The sets, each with C(name). None at all means the operation's own, C(workflows).
    type: list
    elements: dict
    required: true
  only:
    description: The names wanted, as a list or a text with commas. None means all.
    type: raw
    default: []
  known:
    description: Names that other hosts have, so that one of them is not taken for a typo here.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
loop: "{{ backup_sets | proven.upkeep.chosen_sets(['etc']) }}"
"""

RETURN = r"""
_value:
  description: The sets.
  type: list
  elements: dict
"""

WORKFLOWS = "workflows"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


def chosen_sets(
    sets: Sequence[Mapping[str, Any]] | None, only: Any = None, known: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The sets named in `only`, or all, each without what is not given. Raises AnsibleFilterError."""
    given = sets or [{"name": WORKFLOWS}]
    every = [{key: value for key, value in each.items() if value not in (None, "")} for each in given]
    names = [str(each.get("name", "")) for each in every]
    for name in names:
        if not _NAME.fullmatch(name):
            raise AnsibleFilterError(
                f"backup_sets: {name!r} is no name for a set; use letters, digits, '.', '_' and '-', 64 at most."
            )
        if names.count(name) > 1:
            raise AnsibleFilterError(f"backup_sets: the set {name} is there twice; give each a name of its own.")
    wanted = [part.strip() for part in only.split(",")] if isinstance(only, str) else list(only or [])
    wanted = [name for name in wanted if name]
    there = list(dict.fromkeys([WORKFLOWS, *names, *filter(None, known)]))
    missing = [name for name in wanted if name not in there]
    if missing:
        raise AnsibleFilterError(f"there is no backup set {', '.join(missing)}; there are {', '.join(there)}.")
    return [each for each in every if not wanted or each["name"] in wanted]


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"chosen_sets": chosen_sets}
