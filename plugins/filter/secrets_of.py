# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `secrets_of`: of all secrets those that a set, its repository or a copy names, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DOCUMENTATION = r"""
name: secrets_of
short_description: Of all secrets those that are named
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - A host gets the secrets that its task needs, and no other ones.
  - Looked through are C(secret) of a copy and of a set's C(dumps), and C(password) and the values of C(environment) of
    restic's settings. A name that no secret has is left to the module to complain of.
positional: places
options:
  _input:
    description: All secrets, by name.
    type: dict
    required: true
  places:
    description: Sets, copies and settings of restic; any number of them.
    type: raw
    required: true
"""

EXAMPLES = r"""
secrets: "{{ backup_secrets | proven.upkeep.secrets_of(item) }}"
"""

RETURN = r"""
_value:
  description: Secrets by name.
  type: dict
"""


def secrets_of(secrets: Mapping[str, Any] | None, *places: Any) -> dict[str, Any]:
    """The secrets that one of `places` names."""
    named = {name for place in places for name in _named(place)}
    return {name: value for name, value in (secrets or {}).items() if name in named}


def _named(place: Any) -> Iterator[Any]:
    if not isinstance(place, Mapping):  # a list, or what a filter of Jinja makes one of
        for one in place or []:
            yield from _named(one)
        return
    yield place.get("secret")
    yield place.get("password")
    yield from (place.get("environment") or {}).values()
    yield from _named(place.get("dumps") or [])


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"secrets_of": secrets_of}
