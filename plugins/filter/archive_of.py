# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter `archive_of`: where a backup set's archive lies, said once for the roles that write and read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: archive_of
short_description: Where a backup set's archive lies on its host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - The set's own C(dest), else a file named for the set in O(folder), with the suffix of its compression.
positional: folder, compression
options:
  _input:
    description: The set, with C(name) and perhaps C(dest) and C(compression).
    type: dict
    required: true
  folder:
    description:
      - The folder for archives of sets without C(dest), relative to the host's state folder.
      - Empty means C(archives).
    type: str
    required: true
  compression:
    description: The codec of a set that names none.
    type: str
    choices: [auto, zst, gz, none]
    default: auto
"""

EXAMPLES = r"""
archive: "{{ {'name': 'etc', 'paths': ['/etc']} | proven.upkeep.archive_of('archives') }}"
# archives/etc.tar.zst
"""

RETURN = r"""
_value:
  description: The archive's path.
  type: str
"""

_SUFFIXES = {"auto": ".tar.zst", "zst": ".tar.zst", "gz": ".tar.gz", "none": ".tar"}


def archive_of(backup_set: Mapping[str, Any], folder: str | None, compression: str | None = None) -> str:
    """`archives/etc.tar.zst` for the set `etc`; a set's own `dest` wins."""
    dest = backup_set.get("dest")
    if dest:
        return str(dest)
    codec = str(backup_set.get("compression") or compression or "auto")
    return f"{folder or 'archives'}/{backup_set['name']}{_SUFFIXES[codec]}"


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"archive_of": archive_of}
