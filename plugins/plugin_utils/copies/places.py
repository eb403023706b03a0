# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the words of `backup_copies` to the place that they mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..sftp.target import Target
from ..vault.index import VAULT
from .far import Far
from .mounted import Mounted, require_mount
from .store import Store

FROM_VAULT = "vault"


def named(copies: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The copy of that name. Raises UpkeepError `copy_unknown`, which says what there is."""
    for one in copies:
        if one.get("name") == name:
            return one
    there = ", ".join(str(one.get("name")) for one in copies) or "none"
    raise UpkeepError("copy_unknown", f"there is no copy {name}; backup_copies has {there}. The vault is called vault.")


@contextlib.contextmanager
def opened(copy: Mapping[str, Any], secrets: Mapping[str, Any], home: Path, to_write: bool = False) -> Iterator[Store]:
    """The place of `copy`. A session begins with the first use of it.

    Raises UpkeepError bad_parameter, secret_missing, copy_not_mounted; and, where it is only read, copy_missing.
    """
    path, append_only = str(copy.get("path") or ""), bool(copy.get("append_only"))
    if not path:
        raise UpkeepError("bad_parameter", f"backup_copies: the copy {copy.get('name')} has no path.")
    if copy.get("sftp"):
        with Far(_target(copy, secrets), path, append_only) as far:
            yield far
        return
    folder = Path(path).expanduser()
    if not folder.is_absolute():
        message = (
            f"backup_copies: the path {path} of the copy {copy.get('name')} is relative; give it from the root on."
        )
        raise UpkeepError("bad_parameter", message)
    if to_write and copy.get("require_mount") is not False:
        require_mount(folder, home)
    if not to_write and not folder.is_dir():
        message = f"{folder}, the place of the copy {copy.get('name')}, is not there; is the disk not mounted?"
        raise UpkeepError("copy_missing", message)
    yield Mounted(folder, append_only)


def vault(home: Path) -> Mounted:
    """The vault itself as a place."""
    return Mounted(home / VAULT)


def _target(copy: Mapping[str, Any], secrets: Mapping[str, Any]) -> Target:
    secret = copy.get("secret")
    if secret and not secrets.get(str(secret)):
        message = f"secret of the copy {copy.get('name')}: backup_secrets has nothing under the name {secret}."
        raise UpkeepError("secret_missing", message)
    return Target(
        host=str(copy["sftp"]),
        port=_port(copy),
        user=str(copy["user"]) if copy.get("user") else None,
        arguments=tuple(str(each) for each in copy.get("ssh_arguments") or ()),
        password=str(secrets[str(secret)]) if secret else None,
    )


def _port(copy: Mapping[str, Any]) -> int | None:
    given = copy.get("port")
    if given in (None, ""):
        return None
    if not str(given).isdecimal() or not 0 < int(given) < 65536:
        message = f"backup_copies: the port of the copy {copy.get('name')} is {given!r}; give a number from 1 to 65535."
        raise UpkeepError("bad_parameter", message)
    return int(given)
