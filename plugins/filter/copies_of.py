# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `copies_of`: which sets go to which copies."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: copies_of
short_description: Which backup sets go from the vault to which copies
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - An item for each copy of each set that goes to the vault, or for each that the copy's C(sets) names, with what the
    copy
    keeps. It holds no secret, only the name of one.
  - Fails on a copy without a name or a path, on a name that is there twice, and where there are copies of archives,
    but no
    set goes to the vault.
positional: copies, vault, keep, engine, known
options:
  _input:
    description: The sets, each with C(name) and perhaps C(vault), C(keep) and C(engine).
    type: list
    elements: dict
    required: true
  copies:
    description: As C(backup_copies).
    type: list
    elements: dict
    required: true
  vault:
    description: Whether sets go to the vault that do not say so themselves.
    type: bool
    default: false
  keep:
    description: What copies keep that do not say so themselves, if not what the set does.
    type: dict
    default: {}
  engine:
    description: What backs up sets that do not say so themselves. Sets of restic have no archive to copy.
    type: str
    default: archive
  known:
    description: The sets of every host, by name. Where it is given, a copy whose C(sets) names another one is refused.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
loop: "{{ backup_sets | proven.upkeep.copies_of(backup_copies, backup_vault) }}"
"""

RETURN = r"""
_value:
  description: Items with C(name) (V(etc on offsite)), C(backup), C(copy) and C(keep).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.wanted import vaulted

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_TAKEN = ("vault", "host")  # restore_test_from means something else by them


def copies_of(
    sets: Sequence[Mapping[str, Any]],
    copies: Sequence[Mapping[str, Any]] | None,
    vault: Any = False,
    keep: Mapping[str, Any] | None = None,
    engine: str | None = "archive",
    known: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The items. Raises AnsibleFilterError."""
    there = [{key: value for key, value in one.items() if value not in (None, "")} for one in copies or []]
    if not there:
        return []
    _check(there)
    if known:
        _check_sets(there, {*filter(None, known), *(str(one.get("name")) for one in sets)})
    going = vaulted(sets, vault, engine)
    if not going and vaulted(sets, True, engine):
        raise AnsibleFilterError(
            "backup_copies: copies are made of the vault, and no set goes there; set backup_vault: true."
        )
    return [
        {
            "name": f"{one['name']} on {copy['name']}",
            "backup": one["name"],
            "copy": copy,
            "keep": copy.get("keep") or keep or one.get("keep") or {},
        }
        for copy in there
        for one in going
        if not copy.get("sets") or one["name"] in copy["sets"]
    ]


def _check(copies: Sequence[Mapping[str, Any]]) -> None:
    names = [str(one.get("name", "")) for one in copies]
    for one, name in zip(copies, names):
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise AnsibleFilterError(
                f"backup_copies: {name!r} is no name for a copy; use letters, digits, '.', '_' and '-', 64 at most, "
                "and neither vault nor host."
            )
        if names.count(name) > 1:
            raise AnsibleFilterError(f"backup_copies: the copy {name} is there twice; give each a name of its own.")
        if not one.get("path"):
            raise AnsibleFilterError(f"backup_copies: the copy {name} has no path.")


def _check_sets(copies: Sequence[Mapping[str, Any]], known: Collection[str]) -> None:
    for one in copies:
        given = one.get("sets") or []
        if unknown := [str(each) for each in ([given] if isinstance(given, str) else given) if each not in known]:
            raise AnsibleFilterError(
                f"backup_copies: the copy {one['name']} names {', '.join(unknown)}, which is no set of any host; there "
                f"are {', '.join(sorted(known))}."
            )


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"copies_of": copies_of}
