# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host has to offer to a vault: its current archive, by the manifest beside it."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Collection, Dict

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.identity import machine

from . import codecs, history
from .destination import SEALED
from .walk import describe_error

_PIECE = 1 << 20


def look(archive: str, backup: str, known: Collection[str] = ()) -> Dict[str, Any]:
    """The backup's {"archive", "suffix", "bytes", "sha256", "created", "files", "manifest", "machine"}.

    With "manifest_bytes" and "manifest_sha256", and "is_sealed": whether its encrypted form lies beside it.
    The hash of the archive is the one that its manifest has; that of the manifest is null where `known` has the
    archive's. Raises UpkeepError: archive_missing, archive_incomplete, archive_unreadable, wrong_backup.
    """
    path = codecs.written_as(archive)
    try:
        os.stat(path)
    except FileNotFoundError:
        raise UpkeepError("archive_missing", f"archive: there is no file {path}.", archive=path)
    except OSError as error:
        raise _unreadable(path, error)
    one = next((each for each in history.listed(path) if each["current"]), None)
    if one is None:
        message = f"archive: {path} is not complete, or the manifest beside it is not its own; back up again."
        raise UpkeepError("archive_incomplete", message, archive=path)
    if one["backup"] != backup:
        message = f"archive: {path} is of the backup {one['backup']}, not of {backup}; give each set a dest of its own."
        raise UpkeepError("wrong_backup", message, archive=path)
    try:
        size = os.stat(one["manifest"]).st_size
        digest = None if one["sha256"] in known else _hash_of(one["manifest"])
    except OSError as error:
        raise _unreadable(one["manifest"], error)
    found = {key: one[key] for key in ("archive", "bytes", "sha256", "created", "files", "manifest")}
    suffix = codecs.split_suffix(path)[1]
    found.update(suffix=suffix, manifest_bytes=size, manifest_sha256=digest, machine=machine())
    return dict(found, is_sealed=os.path.isdir(path + SEALED))


def _hash_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:  # noqa: PTH123
        while True:
            piece = stream.read(_PIECE)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)


def _unreadable(path: str, error: OSError) -> UpkeepError:
    return UpkeepError("archive_unreadable", f"archive: {path} cannot be read ({describe_error(error)}).", archive=path)
