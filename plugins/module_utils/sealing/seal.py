# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive and its manifest, encrypted beside it in `<archive>.sealed/`, ready to leave the host.

The manifest is encrypted too: it has every file's name. `sealed.json` is written last and is the commit mark; while it
describes this very archive for these very recipients, nothing is encrypted anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Any, Dict, List, NamedTuple, Optional

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, manifest
from ansible_collections.proven.upkeep.plugins.module_utils.archive._closing import closing_of
from ansible_collections.proven.upkeep.plugins.module_utils.archive.destination import (
    FULL,
    SEALED,
    Destination,
    belongs,
    pending_manifest,
)
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import programs, recipients
from .stream import Piped, last_line, piped

SCHEMA = "upkeep.sealed/1"
MARK = "sealed.json"
_PART = ".part"


class Request(NamedTuple):
    """The parameters of `backup_seal`, as its documentation describes them."""

    archive: str
    recipients: List[str]
    program: str = programs.AUTO


def folder_of(archive: str) -> str:
    """Where the sealed files of an archive lie."""
    return archive + SEALED


def run(request: Request, check: bool = False) -> Dict[str, Any]:
    """Seal. Returns {"changed", "data": upkeep.sealed/1, "warnings"}; with `check` nothing is touched, and what only a
    written file has is null.

    Raises UpkeepError: archive_missing, archive_damaged, bad_recipient, private_key_given, encryption_unavailable,
    encryption_failed, no_space, seal_unwritable, dest_locked. After any of them nothing half-written is left.
    """
    wanted = recipients.parse(request.recipients)
    program, to, left_out = programs.choose(request.program, wanted)
    archive = codecs.written_as(os.path.abspath(request.archive))
    if not os.path.isfile(archive):
        raise UpkeepError("archive_missing", f"archive: there is no file {archive}; back up first.", archive=archive)
    dest = Destination(archive)
    warnings = []
    if left_out:
        warnings.append(
            f"{archive} is sealed with {program}, so not to {len(left_out)} recipients whose keys are not for that."
        )
    with contextlib.ExitStack() as stack:
        if not check:
            stack.enter_context(dest.held())  # nobody replaces it while it is read, and no other run seals it
        source = _source(dest)
        keys = [one.key for one in to]
        last = _last(folder_of(archive))
        if last is not None and _is_of(last, source, program, keys) and _is_there(folder_of(archive), last):
            return {"changed": False, "data": last["document"], "warnings": warnings}
        if check:
            return {"changed": True, "data": _document(dest, source, program, keys, None, None), "warnings": warnings}
        try:
            document = _seal(dest, source, program, to)
        except OSError as error:
            raise _error(error, folder_of(archive))
    return {"changed": True, "data": document, "warnings": warnings}


def remove(archive: str, check: bool = False) -> bool:
    """Take the sealed files away; whether there were any. UpkeepError `seal_unwritable`."""
    folder = folder_of(codecs.written_as(os.path.abspath(archive)))
    there = os.path.isdir(folder) and not os.path.islink(folder)
    if there and not check:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise _error(error, folder)
    return there


# -- what there is ----------------------------------------------------------------------------------------------------


def _source(dest: Destination) -> Dict[str, Any]:
    """{"manifest", "sha256", "files", "size", "mtime_ns", "ino"} of the archive. UpkeepError `archive_damaged`."""
    pending = pending_manifest(dest.archive)
    beside = pending if os.path.lexists(pending) and belongs(pending, dest.archive) else dest.manifest
    info = os.stat(dest.archive)
    try:
        closing = closing_of(beside)
        found = {"manifest": beside, "sha256": str(closing["archive_sha256"]), "files": closing.get("files")}
        size = closing["archive_bytes"]
    except (UpkeepError, OSError, *manifest.UNUSABLE):
        found, size = {}, -1
    if size != info.st_size:
        raise _damaged(dest.archive)
    return {**found, "size": info.st_size, "mtime_ns": info.st_mtime_ns, "ino": info.st_ino}


def _damaged(archive: str) -> UpkeepError:
    message = (
        f"archive: {archive} is not what the manifest beside it describes; nothing was encrypted. Back up once more: a "
        "damaged archive is written anew."
    )
    return UpkeepError("archive_damaged", message, archive=archive)


def _last(folder: str) -> Optional[Dict[str, Any]]:
    """The mark that the last run left: {"document", "of", "keys", "files"}; None where it is of no use."""
    try:
        with open(os.path.join(folder, MARK), encoding="utf-8") as stream:  # noqa: PTH123
            mark = json.load(stream)
        sound = mark["document"]["schema"] == SCHEMA and all(key in mark for key in ("of", "keys", "files"))
        return mark if sound else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_of(mark: Dict[str, Any], source: Dict[str, Any], program: str, keys: List[str]) -> bool:
    return mark["of"] == _of(source) and mark["document"]["program"] == program and sorted(mark["keys"]) == sorted(keys)


def _of(source: Dict[str, Any]) -> Dict[str, Any]:
    return {key: source[key] for key in ("sha256", "size", "mtime_ns", "ino")}


def _is_there(folder: str, mark: Dict[str, Any]) -> bool:
    """Do the files lie there as they were left?"""
    return {name: _as_left(os.path.join(folder, name)) for name in mark["files"]} == mark["files"]


def _as_left(path: str) -> Optional[List[int]]:
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return [info.st_size, info.st_mtime_ns]


# -- sealing ----------------------------------------------------------------------------------------------------------


def _seal(dest: Destination, source: Dict[str, Any], program: str, to: List[recipients.Recipient]) -> Dict[str, Any]:
    folder = folder_of(dest.archive)
    if os.path.islink(folder) or (os.path.lexists(folder) and not os.path.isdir(folder)):
        raise UpkeepError("seal_unwritable", f"archive: {folder} is in the way; move it elsewhere.", path=folder)
    shutil.rmtree(folder, ignore_errors=True)  # of an older archive, of other recipients, or of a killed run
    atomic.make_folder(folder)
    try:
        with programs.ready(program, to, folder) as how:
            written = {}
            for what, path, name in (
                ("archive", dest.archive, os.path.basename(dest.archive)),
                ("manifest", source["manifest"], os.path.basename(dest.manifest)),
            ):
                written[what] = _sealed(how.argv, path, os.path.join(folder, name + programs.SUFFIXES[program]))
            if written["archive"].read_sha256 != source["sha256"]:
                raise _damaged(dest.archive)
            document = _document(dest, source, program, how.recipients, written["archive"], written["manifest"])
        files = {os.path.basename(document[what]): _as_left(document[what]) for what in ("archive", "manifest")}
        keys = [one.key for one in to]
        mark = {"document": document, "of": _of(source), "keys": keys, "files": files}
        atomic.write_json(os.path.join(folder, MARK), mark)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return document


def _sealed(argv: List[str], path: str, target: str) -> Piped:
    """Encrypt one file: to a temporary name, synced, renamed. UpkeepError `encryption_failed`, OSError."""
    part = target + _PART
    sink = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            done = piped(argv, source, sink)
        finally:
            os.close(source)
        if done.rc:
            raise UpkeepError(
                "encryption_failed",
                f"{os.path.basename(argv[0])} did not encrypt {path} (exit code {done.rc}: {last_line(done.said)}); "
                "nothing was left. See whether it takes the public keys.",
                archive=path,
            )
        os.fsync(sink)
        os.rename(part, target)
    finally:
        os.close(sink)
    atomic.sync_folder(os.path.dirname(target))
    return done


def _document(
    dest: Destination,
    source: Dict[str, Any],
    program: str,
    names: List[str],
    archive: Optional[Piped],
    its_manifest: Optional[Piped],
) -> Dict[str, Any]:
    base = os.path.join(folder_of(dest.archive), os.path.basename(dest.archive))
    suffix = programs.SUFFIXES[program]
    return {
        "schema": SCHEMA,
        "archive": base + suffix,
        "manifest": base + manifest.SUFFIX + suffix,
        "sha256": archive and archive.sha256,
        "bytes": archive and archive.bytes,
        "manifest_sha256": its_manifest and its_manifest.sha256,
        "manifest_bytes": its_manifest and its_manifest.bytes,
        "archive_sha256": source["sha256"],
        "files": source["files"],
        "program": program,
        "recipients": names,
        "at": times.iso(times.now()) if archive else None,
    }


def _error(error: OSError, folder: str) -> UpkeepError:
    why = error.strerror or str(error)
    if error.errno in FULL:
        message = (
            f"No space left to encrypt into {folder} ({why}); nothing was left there. An encrypted archive needs as "
            "much room as the archive itself, beside it."
        )
        return UpkeepError("no_space", message, path=folder)
    return UpkeepError(
        "seal_unwritable", f"{folder} cannot be written ({why}): {error.filename or folder}.", path=folder
    )
