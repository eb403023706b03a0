# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `restic_of`: how restic reaches a set's repository, for the roles that back up, drill and restore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: restic_of
short_description: How restic reaches the repository of a set
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - What C(backup_restic) says, with the set's own C(restic_repository) in the place of the repository of all, checked
    and without what is not given. It holds no secret, only the names of some.
  - Fails where no repository is named, or no password, and for a set that wants a snapshot of its file system.
positional: restic
options:
  _input:
    description: The set, with C(name) and perhaps C(restic_repository).
    type: dict
    required: true
  restic:
    description: As C(backup_restic).
    type: dict
    required: true
"""

EXAMPLES = r"""
repository: "{{ (item | proven.upkeep.restic_of(backup_restic)).repository }}"
"""

RETURN = r"""
_value:
  description: >-
    C(repository), C(password), C(environment), C(settings), and, where they are given, C(program), C(options),
    C(retry_lock), C(init), and C(check_of).
  type: dict
"""

from ansible.errors import AnsibleFilterError

_KNOWN = ("repository", "password", "environment", "settings", "program", "options", "retry_lock", "init", "check_of")


def restic_of(backup_set: Mapping[str, Any], restic: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings. Raises AnsibleFilterError."""
    name, given = backup_set.get("name"), {**(restic or {})}
    if backup_set.get("restic_repository"):
        given["repository"] = backup_set["restic_repository"]
    found = {key: given[key] for key in _KNOWN if given.get(key) not in (None, "")}
    if unknown := sorted(set(given) - set(_KNOWN)):
        raise AnsibleFilterError(f"backup_restic: there is no {', '.join(unknown)}; there are {', '.join(_KNOWN)}.")
    if backup_set.get("snapshot") not in (None, "", "none"):
        raise AnsibleFilterError(
            f"backup_sets: the set {name} wants a snapshot of its file system, which the engine restic does not take; "
            "take that off the set, or back it up as an archive."
        )
    if not found.get("repository"):
        raise AnsibleFilterError(
            f"backup_restic: the set {name} is of the engine restic, and no repository is named: give it "
            "restic_repository, or backup_restic a repository."
        )
    if not found.get("password"):
        raise AnsibleFilterError(
            f"backup_restic: the repository of the set {name} has no password: name one of backup_secrets."
        )
    found.setdefault("environment", {})
    found.setdefault("settings", {})
    return found


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"restic_of": restic_of}
