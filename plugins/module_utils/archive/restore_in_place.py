# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restore for real: plan what to do with each path, do it entry by entry as it is verified, say what came of it."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.atomic import make_folder
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import elsewhere, walk, with_dumps
from . import scope as scopes
from ._pool import usable_cpus
from ._wanted import Wanted
from .destination import write_error
from .findings import LIMIT, Findings
from .model import shown
from .restore_apply import Restorer, lost_at_the_end
from .restore_plan import CREATE, OLDER, REPLACE, Plan, Planner, Rules, only_what_is_planned
from .verify import Archive, open_archive, verify

SCHEMA = "upkeep.restored/1"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Request(NamedTuple):
    """The parameters of `backup_restore`, as its documentation describes them."""

    archive: str
    manifest: Optional[str] = None
    paths: Sequence[str] = ()
    dest: Optional[str] = None
    overwrite: str = OLDER
    devices: bool = False
    require_free: int = 0


class Result(NamedTuple):
    """`document` is upkeep.restored/1; `failure` is set unless its status is ok (in check mode: where it is failed)."""

    document: Dict[str, Any]
    changed: bool
    diff: Dict[str, str]
    failure: Optional[UpkeepError] = None


def run(request: Request, check: bool = False) -> Result:
    """Restore; with `check` only plan.

    Raises UpkeepError for what ends it before anything is written (bad_parameter, path_missing, archive_missing,
    archive_unreadable, manifest_missing, manifest_damaged, compression_unavailable, dest_not_a_folder, dest_locked,
    dest_unwritable, no_space, io_error). All else is a result with a document.
    """
    return _Restore(request, check).go()


class _Restore:
    def __init__(self, request: Request, check: bool) -> None:
        self.started, self.clock = times.now(), time.monotonic()
        self.request, self.check = request, check
        self.path = os.path.abspath(request.archive)
        self.findings, self.plan = Findings(), Plan()
        self.failed: Dict[bytes, str] = {}
        self.restorer: Optional[Restorer] = None
        self.broken: Optional[UpkeepError] = None

    def go(self) -> Result:
        wanted = Wanted(_possible_names(self.request.paths)) if self.request.paths else None
        self.archive = open_archive(self.path, self.request.manifest, self.findings, wanted)
        try:
            return self._restore(self.archive)
        except OSError as error:
            raise write_error(error, error.filename if isinstance(error.filename, str) else self.dest)
        finally:
            self.archive.close()

    def _restore(self, archive: Archive) -> Result:
        place = place_of(archive)
        self.dest = _resolved(self.request.dest or place)
        self.in_place = place is not None and self.dest == _resolved(place)
        self.rules = Rules(self.request.overwrite, self.request.devices, self.in_place)
        scope = scopes.parse([_relative(path, place) for path in self.request.paths], None)
        if b"." in scope.paths and archive.manifest.kept is not None:  # the folder that everything lies in was named
            archive = self.archive = archive._replace(manifest=archive.manifest._replace(kept=None))
        if self.in_place:
            scope = _without_dumps(scope)
        selection = scopes.select(scope, archive.manifest.entries())
        if selection.missing:
            message = f"paths: the archive holds nothing of {walk.listed(selection.missing)}; nothing was restored."
            message += elsewhere.told(self.path, selection.missing)
            raise UpkeepError("path_missing", message, option="paths")
        walk.allow_descriptors()
        fd = self._open_dest()
        try:
            planner = Planner(fd, archive.manifest, selection, self.rules, self.empty)
            self.plan = planner.run()
            planner.require_room(self.request.require_free)
            if not self.check and (self.plan.steps or self.plan.leftovers):
                self._write(archive, selection, fd)
        finally:
            os.close(fd)  # not before: it is the lock
        return self._result(archive)

    def _open_dest(self) -> int:
        """The folder to restore into, made and locked; in check mode the nearest one that is there."""
        place = self.dest
        if os.path.islink(place) or (os.path.lexists(place) and not os.path.isdir(place)):
            raise UpkeepError("dest_not_a_folder", f"dest: {place} is not a folder; choose another name.", path=place)
        self.empty = not os.path.isdir(place)
        try:
            if not self.check:
                make_folder(place)
            while not os.path.isdir(place):
                place = os.path.dirname(place)
            fd = os.open(place, _FOLDER)
        except OSError as error:
            raise write_error(error, place)
        if not self.check:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                message = f"dest: another restore into {place} is under way; wait for it to end."
                raise UpkeepError("dest_locked", message, path=place)
        return fd

    def _write(self, archive: Archive, selection: scopes.Selection, fd: int) -> None:
        self.restorer = restorer = Restorer(fd, self.plan, self.rules, bool(archive.manifest.header["xattrs"]))
        planned = only_what_is_planned(selection, self.plan.steps)
        why = "its part of the archive is damaged"
        notes = list(self.findings.not_checked)
        try:
            try:
                verify(archive, planned, usable_cpus(), self.findings, restorer.entry, whole_file=False)
                self._take_damage(restorer)
                restorer.finish(selection, archive.manifest.entries())
            finally:
                restorer.close()
        except OSError as error:
            self.broken = write_error(error, self.dest)
            why = "the restore ended before it"
        self.findings.not_checked = notes
        self.failed = lost_at_the_end(self.plan, restorer, why)

    def _take_damage(self, restorer: Restorer) -> None:
        for damage in self.findings.damage:
            restorer.failed.setdefault(damage.path, damage.why)
        for path in self.findings.damaged_paths:
            restorer.failed.setdefault(path, "its part of the archive is damaged")

    # -- the result ------------------------------------------------------------------------------------------------

    def _result(self, archive: Archive) -> Result:
        failure = self._failure()
        incomplete = bool(self.plan.refused or self.plan.unstored)
        status = "failed" if failure else "incomplete" if incomplete else "ok"
        if failure is None and incomplete and not self.check:
            failure = self._incomplete()
        changed = bool(self.plan.steps) if self.check else self.restorer is not None and self.restorer.changed
        return Result(self._document(archive, status), changed, self._diff(), failure)

    def _failure(self) -> Optional[UpkeepError]:
        if self.broken is not None:
            return self.broken
        if self.findings.failures:
            code, message = self.findings.failures[0]
            names = walk.listed(list(self.failed))
            return UpkeepError(code, message + (f" Left as they were on this host: {names}." if self.failed else ""))
        if self.failed:
            path, why = next(iter(self.failed.items()))
            message = f"dest: {len(self.failed)} of {len(self.plan.steps)} entries could not be restored; the first: "
            return UpkeepError("restore_failed", f"{message}{shown(path)}: {why}.")
        return None

    def _incomplete(self) -> UpkeepError:
        if self.plan.refused:
            first = "; ".join(f"{shown(path)}: {why}" for path, why in list(self.plan.refused.items())[:3])
            more = f"; and {len(self.plan.refused) - 3} more" if len(self.plan.refused) > 3 else ""
            count = len(self.plan.refused)
            message = f"overwrite: {count} {'path was' if count == 1 else 'paths were'} refused: {first}{more}."
            return UpkeepError("restore_refused", message)
        message = (
            f"{self.path}: {self.plan.unstored} entries are not in the archive as they were (see not_restored); "
            "the rest was restored."
        )
        return UpkeepError("restore_incomplete", message)

    def _diff(self) -> Dict[str, str]:
        before = "".join(f"{path} {was}\n" for path, was, _will in self.plan.diff if was)
        after = "".join(f"{path} {will}\n" for path, _was, will in self.plan.diff)
        return {"before_header": self.dest, "after_header": self.path, "before": before, "after": after}

    def _document(self, archive: Archive, status: str) -> Dict[str, Any]:
        closing = archive.manifest.closing
        lists = {
            "created": self._done(CREATE),
            "replaced": self._done(REPLACE),
            "refused": self.plan.refused,
            "failed": self.failed,
        }
        counts = {name: len(paths) for name, paths in lists.items()}
        limits = self.restorer.limits if self.restorer is not None else {}
        apart = self.findings.not_checked + self.plan.apart
        apart += [
            {"what": f"attribute {name}", "why": f"it cannot be set here ({why})"} for name, why in limits.items()
        ]
        return {
            "schema": SCHEMA,
            "backup": archive.manifest.header["backup"],
            "archive": self.path,
            "archive_sha256": closing.get("archive_sha256"),
            "archive_created": closing.get("created"),
            "dest": self.dest,
            "in_place": self.in_place,
            "paths": list(self.request.paths),
            "overwrite": self.request.overwrite,
            "predicted": self.check,
            "status": status,
            "counts": {**counts, "unchanged": self.plan.unchanged},
            "created": _names(lists["created"]),
            "replaced": _names(lists["replaced"]),
            "unchanged": self.plan.unchanged_names,
            "refused": _reasons(self.plan.refused),
            "failed": _reasons(self.failed),
            "not_restored": apart[:LIMIT],
            "bytes": self.restorer.written_bytes if self.restorer is not None else 0,
            "started": times.iso(self.started),
            "finished": times.iso(times.now()),
            "duration_ms": int((time.monotonic() - self.clock) * 1000),
            "tool": {"collection": VERSION},
        }

    def _done(self, action: str) -> List[bytes]:
        return [path for path in self.plan.paths(action) if path not in self.failed]


def place_of(archive: Archive) -> Optional[str]:
    """The folder that the archive's names are relative to; None where its manifest does not say."""
    parameters = archive.manifest.closing.get("parameters")
    if parameters is None:
        return None
    root = parameters.get("root") or "/"
    return os.path.normpath(root) if isinstance(root, str) and os.path.isabs(root) else None


def _without_dumps(scope: scopes.Scope) -> scopes.Scope:
    """Dumps are for their servers: they have no place among the files. Raises UpkeepError bad_parameter."""
    if any(scopes.under(path, with_dumps.FOLDER) for path in scope.paths):
        message = "paths: dumps have no place among the files; give dest to have them beside, or load them."
        raise UpkeepError("bad_parameter", message, option="paths")
    return scopes.Scope(scope.paths, scope.sample, with_dumps.FOLDER)


def _resolved(dest: Optional[str]) -> str:
    """Links above the folder are the operator's own words; the folder itself must be one."""
    if dest is None:
        raise UpkeepError(
            "manifest_missing",
            "dest: the manifest beside the archive, which says where its paths were, is missing: name the folder to "
            "restore into (/ where the backup was made of absolute paths).",
        )
    full = "/" + os.path.normpath(os.path.abspath(dest)).lstrip("/")
    return full if full == "/" else os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))


def _relative(path: str, place: Optional[str]) -> str:
    """An absolute path as the archive's own name for it."""
    under_place = place is not None and place != "/" and (path + "/").startswith(place + "/")
    return path[len(place or "") :] or "." if under_place else path


def _possible_names(paths: Iterable[str]) -> Iterator[bytes]:
    """What these paths may be called in an archive of which it is not yet known what its names are relative to."""
    for path in scopes.parse(list(paths), None).paths:
        parts = path.split(b"/")
        yield from (b"/".join(parts[start:]) for start in range(len(parts)))


def _names(paths: Iterable[bytes]) -> List[str]:
    return [shown(path) for _number, path in zip(range(LIMIT), paths)]


def _reasons(paths: Dict[bytes, str]) -> List[Dict[str, str]]:
    return [{"path": shown(path), "why": why} for _number, (path, why) in zip(range(LIMIT), paths.items())]
