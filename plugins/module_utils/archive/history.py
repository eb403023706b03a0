# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The archives that came before the one at dest, each under its time in the folder `<dest without suffix>.history`.

An archive enters as a second name (hard link) of the one at dest, before that is replaced: nothing is copied, and there
is no moment without a complete archive at dest. Its manifest is linked first, and removed last: what a kill leaves is a
manifest without an archive, which no reader takes for one and `sweep` removes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.atomic import make_folder, sync_folder
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import codecs, manifest
from ._closing import closing_of
from .destination import FULL, HISTORY, Destination, belongs, pending_manifest
from .moments import LATEST, moment
from .walk import describe_error

NEWEST = 100  # that a backup's document lists


def folder_of(archive: str) -> str:
    """Where the predecessors of the archive at dest lie."""
    return codecs.split_suffix(archive)[0] + HISTORY


def dest_of(archive: str) -> str:
    """The dest that an archive belongs to: itself, unless it lies in a history."""
    folder, name = os.path.split(archive)
    is_one = folder.endswith(HISTORY) and not folder.endswith("/" + HISTORY)
    return folder[: -len(HISTORY)] + codecs.split_suffix(name)[1] if is_one else archive


def listed(archive: str, name: Optional[str] = None) -> List[Dict[str, Any]]:
    """What there is to restore for a dest, newest first, of the backup `name` (by default the current one's).

    [{"created", "archive", "manifest", "sha256", "bytes", "files", "backup", "current"}]; `current` is the one at dest.
    Those of other suffixes beside it (dest was renamed, or libzstd came and went) count, too.
    """
    current = _described(archive, _manifest_at(archive))
    found = [] if current is None else [dict(current, current=True)]
    name = name or (current["backup"] if current else None)
    stem = codecs.split_suffix(archive)[0]
    beside = [stem + suffix for codec in codecs.CODECS.values() for suffix in codec.suffixes]
    for path in [*(path for path in beside if path != archive), *_archives(folder_of(archive))]:
        one = _described(path, path + manifest.SUFFIX)
        if one is not None and not (current and _is_same(one, current)):
            found.append(dict(one, current=False))
    found = [one for one in found if name in (None, one["backup"])]
    return sorted(found, key=lambda one: (one["created"], one["current"], _number(one["archive"])), reverse=True)


def summary(archive: str, name: str) -> Dict[str, Any]:
    """{"archives", "bytes", "newest": [...]} of the predecessors; the list is bounded, the numbers are of all."""
    older = [one for one in listed(archive, name) if not one["current"]]
    keys = ("created", "archive", "sha256", "bytes", "files")
    return {
        "archives": len(older),
        "bytes": sum(one["bytes"] for one in older),
        "newest": [{key: one[key] for key in keys} for one in older[:NEWEST]],
    }


def check(archive: str) -> None:
    """Refuse a history that could not be written. UpkeepError `history_unwritable`."""
    folder = folder_of(archive)
    if os.path.lexists(folder) and (os.path.islink(folder) or not os.path.isdir(folder)):
        raise _unwritable(folder, "it is not a folder")
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unwritable(folder, "it may not be")


def keep(dest: Destination, name: str) -> bool:
    """Give what lies at dest a second name in the history; False where that is no complete archive of this backup.

    Only under the lock on dest, and for an archive that is whole. Raises UpkeepError `history_unwritable`, `no_space`.
    """
    current = _described(dest.archive, dest.manifest)
    if current is None or current["backup"] != name:
        return False
    folder = folder_of(dest.archive)
    try:
        make_folder(folder)
        sweep(dest.archive, name)
        target = _free_name(folder, current, dest)
        for source, name_there in ((dest.manifest, target + manifest.SUFFIX), (dest.archive, target)):
            if not os.path.lexists(name_there):
                os.link(source, name_there)
        sync_folder(folder)
        sync_folder(dest.folder)
    except OSError as error:
        if error.errno in FULL:
            message = f"history: no space left to write in {folder} ({describe_error(error)}); nothing was replaced."
            raise UpkeepError("no_space", message)
        raise _unwritable(folder, describe_error(error))
    return True


def as_older(current: Dict[str, Any]) -> Dict[str, Any]:
    """The archive at dest as it will be listed when another has taken its place."""
    folder, suffix = folder_of(current["archive"]), codecs.split_suffix(current["archive"])[1]
    path = os.path.join(folder, times.stamp(times.parse(current["created"])) + suffix)
    return dict(current, archive=path, manifest=path + manifest.SUFFIX, current=False)


def sweep(archive: str, name: str) -> List[str]:
    """Remove the manifests of this backup that a killed run left without an archive; returns them, as paths.

    Only under the lock on dest. Raises UpkeepError `history_unreadable`, OSError.
    """
    removed = []
    for path in _manifests(folder_of(archive)):
        closing = None if os.path.lexists(path[: -len(manifest.SUFFIX)]) else _closing(path)
        if closing is not None and closing["document"]["backup"] == name:
            os.unlink(path)
            removed.append(path)
    return removed


def remove(one: Dict[str, Any]) -> None:
    """Take an archive of the history away, its manifest last. Raises OSError."""
    os.unlink(one["archive"])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(one["manifest"])


def foreign(archive: str, there: List[Dict[str, Any]]) -> List[str]:
    """Names in the history folder that `listed` did not find to be ours: nobody's to remove."""
    current = next((one for one in there if one["current"]), None)
    ours = {path for one in there for path in (one["archive"], one["manifest"])}
    for path in _archives(folder_of(archive)):
        one = _described(path, path + manifest.SUFFIX) if path not in ours else None
        if one and current and _is_same(one, current):  # a second name that a killed run gave to the current one
            ours |= {one["archive"], one["manifest"]}
    folder = folder_of(archive)
    return [name for name in _names(folder) if os.path.join(folder, name) not in ours]


def chosen(archive: str, at: Optional[str]) -> str:
    """The archive that `at` means: the one given for None, empty or `latest`, else the newest created until then.

    Raises UpkeepError `bad_parameter`, `archive_missing` (which says what there is).
    """
    latest = at in (None, "", LATEST)
    if latest and os.path.lexists(archive):
        return archive
    there = listed(archive)
    if latest and there:
        message = f"archive: there is no file {archive}, but its history has archives: choose one with at. There are "
        raise UpkeepError("archive_missing", f"{message}{_times(there)}.", archive=archive)
    if latest:
        return archive
    until = moment(at)
    for one in there:
        if one["created"] <= until:
            return one["archive"]
    message = f"at: no archive of {archive} was made until {until}; there are {_times(there)}."
    raise UpkeepError("archive_missing", message, archive=archive, at=at)


def _times(there: List[Dict[str, Any]]) -> str:
    """For a message: the newest twenty, and the oldest."""
    told = [one["created"] for one in there]
    told = told if len(told) <= 21 else [*told[:20], "…", told[-1]]
    return ", ".join(told) or "none at all"


def _unwritable(folder: str, why: str) -> UpkeepError:
    message = (
        f"history: {folder}, which keeps the archive that is to be replaced, cannot be written ({why}); nothing was "
        "replaced. Mend that, or keep no history (history: false; backup_keep: {last: 1} of the role)."
    )
    return UpkeepError("history_unwritable", message, path=folder)


def _free_name(folder: str, current: Dict[str, Any], dest: Destination) -> str:
    """`20261123T083403Z.tar.zst`, with `-2` and so on where that is another archive's; its own where it has one."""
    stamp = times.stamp(times.parse(current["created"]))
    suffix = codecs.split_suffix(dest.archive)[1]
    number = 1
    while True:
        path = os.path.join(folder, stamp + (f"-{number}" if number > 1 else "") + suffix)
        manifest_free = not os.path.lexists(path + manifest.SUFFIX)
        if _same_file(path, dest.archive) or (not os.path.lexists(path) and manifest_free):
            return path
        if not os.path.lexists(path) and _same_file(path + manifest.SUFFIX, dest.manifest):
            return path  # a run was killed between the two links
        there = _described(path, path + manifest.SUFFIX)
        if there is not None and _is_same(there, current):
            return path
        number += 1


def _same_file(path: str, other: str) -> bool:
    try:
        one, two = os.lstat(path), os.lstat(other)
    except FileNotFoundError:
        return False
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def _is_same(one: Dict[str, Any], other: Dict[str, Any]) -> bool:
    """By time as well: a tree that went back to what it was gives the same bytes again."""
    same = (one["sha256"], one["created"]) == (other["sha256"], other["created"])
    return same or _same_file(one["archive"], other["archive"])


def _manifest_at(archive: str) -> str:
    """The manifest of the archive at dest, wherever a killed run has left it."""
    pending = pending_manifest(archive)
    return pending if os.path.lexists(pending) and belongs(pending, archive) else archive + manifest.SUFFIX


def _described(archive: str, its_manifest: str) -> Optional[Dict[str, Any]]:
    """An archive by its manifest's closing line; None unless it is complete and has the size that it should."""
    try:
        info = os.lstat(archive)
    except OSError:
        return None
    closing = _closing(its_manifest)
    if closing is None or not stat.S_ISREG(info.st_mode) or info.st_size != closing["archive_bytes"]:
        return None
    return {
        "created": closing["created"],
        "archive": archive,
        "manifest": its_manifest,
        "sha256": closing["archive_sha256"],
        "bytes": info.st_size,
        "files": closing["files"],
        "backup": closing["document"]["backup"],
    }


def _closing(path: str) -> Optional[Dict[str, Any]]:
    """The closing line of a manifest of ours beside a complete archive, or None."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        closing = closing_of(path)
        times.parse(closing["created"])
        sound = isinstance(closing["archive_sha256"], str) and isinstance(closing["archive_bytes"], int)
        sound = sound and isinstance(closing["document"]["backup"], str)
        return closing if sound and closing.get("complete", True) is True else None
    except (UpkeepError, OSError, *manifest.UNUSABLE):
        return None


def _number(archive: str) -> Tuple[int, str]:
    """The order of archives of one second, and no more than that."""
    name = codecs.split_suffix(os.path.basename(archive))[0]
    digits = name.partition("-")[2]
    return (int(digits) if digits.isdigit() else 1), archive


def _names(folder: str) -> List[str]:
    """Raises UpkeepError `history_unreadable`: what cannot be seen must not be taken for nothing."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"history: {folder} cannot be read ({describe_error(error)}): run as the user who owns it."
        raise UpkeepError("history_unreadable", message, path=folder)


def _manifests(folder: str) -> Iterator[str]:
    return (os.path.join(folder, name) for name in _names(folder) if name.endswith(manifest.SUFFIX))


def _archives(folder: str) -> Iterator[str]:
    return (os.path.join(folder, name) for name in _names(folder) if codecs.split_suffix(name)[1])
