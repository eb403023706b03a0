# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A piece of an archive or of its manifest, for a reader elsewhere that takes it piece by piece."""

from __future__ import annotations

import base64
import os
import stat
from typing import Any, Dict

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.identity import machine

from .destination import belongs, pending_manifest
from .manifest import SUFFIX

LONGEST = 1 << 24


def read(archive: str, which: str, offset: int, length: int) -> Dict[str, Any]:
    """{"path", "size", "stamp", "offset", "content" (base64), "machine"} of `which`: `archive` or `manifest`.

    `stamp` differs where the file was replaced or written to since. `size` is null where there is no manifest. Raises
    UpkeepError: bad_parameter, archive_missing, archive_unreadable.
    """
    if offset < 0 or not 0 <= length <= LONGEST:
        raise UpkeepError("bad_parameter", f"offset and length: from 0, and {LONGEST} at most, not {offset}, {length}.")
    path = archive if which == "archive" else _manifest(archive)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if which == "manifest":
            return {"path": path, "size": None, "stamp": None, "offset": 0, "content": "", "machine": machine()}
        raise UpkeepError("archive_missing", f"archive: there is no file {path}.", archive=path)
    except OSError as error:
        raise UpkeepError("archive_unreadable", f"archive: {path} cannot be opened ({error.strerror}).", archive=path)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise UpkeepError("archive_unreadable", f"archive: {path} is not a regular file.", archive=path)
        content = os.pread(fd, length, offset)
    except OSError as error:
        raise UpkeepError("archive_unreadable", f"archive: {path} cannot be read ({error.strerror}).", archive=path)
    finally:
        os.close(fd)
    return {
        "path": path,
        "size": info.st_size,
        "stamp": f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}",
        "offset": offset,
        "content": base64.b64encode(content).decode("ascii"),
        "machine": machine(),
    }


def _manifest(archive: str) -> str:
    """The archive's true manifest: the pending one, where a backup was killed between its two renames."""
    pending = pending_manifest(archive)
    return pending if os.path.lexists(pending) and belongs(pending, archive) else archive + SUFFIX
