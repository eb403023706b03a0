# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `ring_hosts`: the host patterns of one ring of a patch run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: ring_hosts
short_description: The host patterns of one ring of a patch run
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - A host in several rings is of the first of them, so that it is patched once. The ring after the last is that of the
    hosts in none.
  - A ring without a group of that name, or past those, has no host.
  - Fails where there are more rings than O(_input) can be walked in one run (three), or one is named twice.
positional: rings, number, target
options:
  _input:
    description: The inventory's groups, as in the variable C(groups).
    type: dict
    required: true
  rings:
    description: The names of the groups that are rings, in their order; a list, or a text with commas.
    type: raw
    required: true
  number:
    description: Which of them, from 0; 3 is that of the hosts in no ring.
    type: int
    required: true
  target:
    description: The pattern that narrows the run.
    type: str
    default: all
"""

EXAMPLES = r"""
- name: Touch the canaries
  hosts: "{{ groups | proven.upkeep.ring_hosts(['ring_canary', 'ring_main'], 0) }}"
"""

RETURN = r"""
_value:
  description: Host patterns, as a play's C(hosts) takes them.
  type: list
  elements: str
"""

# As many as playbooks/patch.yml has plays for, but for that of the hosts in no ring.
_PLAYS = 3
_NOBODY = ["all", "!all"]


def ring_hosts(groups: Mapping[str, Any], rings: Any, number: int, target: str = "all") -> list[str]:
    """The patterns of ring `number`. Raises AnsibleFilterError for rings that make no sense."""
    names = named(rings)
    there = [name for name in names if name in groups]
    if number >= _PLAYS:
        return [target, *(f"!{name}" for name in there)]
    if number >= len(names) or names[number] not in groups:
        return _NOBODY
    return [target, f"&{names[number]}", *(f"!{name}" for name in names[:number] if name in groups)]


def named(rings: Any) -> list[str]:
    """The names of the rings. Raises AnsibleFilterError."""
    given = rings.split(",") if isinstance(rings, str) else rings
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise AnsibleFilterError("patch_rings: give the names of groups, as ring_canary,ring_main or as a list.")
    names = [each.strip() for each in given if each.strip()]
    if len(names) > _PLAYS:
        raise AnsibleFilterError(f"patch_rings: {_PLAYS} rings at most, and got {len(names)}: {', '.join(names)}.")
    if len(set(names)) < len(names):
        raise AnsibleFilterError(f"patch_rings: a ring is there twice: {', '.join(names)}.")
    return names


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"ring_hosts": ring_hosts}
