# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sets go to the vault, and whether a fleet has such ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ..observation import WORKFLOWS

_ARCHIVE = "archive"


def vaulted(sets: Sequence[Mapping[str, Any]] | None, vault: Any = False, engine: Any = None) -> list[Any]:
    """The sets whose archives go to the vault: where the set itself, else `vault`, says so; null is no.

    Never the operation's own, which is on the controller already, nor one that `engine` or its own backs up otherwise.
    """
    return [each for each in sets or [] if _is_wanted(each, vault, engine)]


def phases(hosts: Iterable[Mapping[str, Any]]) -> list[str]:
    """The phases off the host that a run over hosts with these variables sets out to do."""
    found: dict[str, None] = {}
    for variables in hosts:
        if vaulted(variables.get("backup_sets"), variables.get("backup_vault"), variables.get("backup_engine")):
            found["vault"] = None
        # Copies of which nothing can come, since no set goes to the vault, are to fail, not to be passed over.
        if variables.get("backup_copies") and vaulted(
            variables.get("backup_sets"), True, variables.get("backup_engine")
        ):
            found["copy"] = None
    return [phase for phase in ("vault", "copy") if phase in found]


def _is_wanted(backup_set: Mapping[str, Any], vault: Any, engine: Any) -> bool:
    if backup_set.get("name") == WORKFLOWS or (backup_set.get("engine") or engine or _ARCHIVE) != _ARCHIVE:
        return False
    own = backup_set.get("vault")
    wanted = vault if own in (None, "") else own
    return wanted not in (None, "") and bool(boolean(wanted, strict=False))
