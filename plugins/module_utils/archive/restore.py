# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One restore test: verify the stream, extract and compare where asked, run checks, and say what was proven."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ansible_collections.proven.upkeep.plugins.module_utils import state, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.identity import machine
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import history, levels, quick, smaller, trees, walk, with_dumps
from . import scope as scopes
from ._pool import usable_cpus
from ._wanted import Wanted
from .destination import Destination, write_error
from .extract import Extractor
from .findings import LIMIT, Findings
from .manifest import damaged
from .model import EMBEDDED_NAME, SCRATCH_MARKER, Entry, shown
from .scratch import MARKER, Scratch, empty
from .trees import Differences
from .verify import Archive, open_archive, verify

SCHEMA = "upkeep.restore/1"


class Request(NamedTuple):
    """The parameters of `restore_verify`, as its documentation describes them."""

    archive: str
    manifest: Optional[str] = None
    mode: str = "stream"
    level: Optional[str] = None
    dest: Optional[str] = None
    paths: Sequence[str] = ()
    sample: Optional[Dict[str, Any]] = None
    compare: str = "manifest"
    checks: Sequence[Any] = ()
    keep: bool = False
    devices: bool = False
    threads: Optional[int] = None
    dumps: Optional[Sequence[Dict[str, Any]]] = ()  # None: they are not loaded, and nobody asks why


class Result(NamedTuple):
    """`document` is upkeep.restore/1 without what the controller adds; `failure` is set when its status is failed."""

    document: Dict[str, Any]
    changed: bool
    failure: Optional[UpkeepError] = None


def run(request: Request, check: bool = False) -> Result:
    """Verify. With `check` nothing is written: an extraction is replaced by reading the stream.

    Raises UpkeepError only for what makes no test at all (bad_parameter, dest_not_empty, dest_not_a_folder,
    dest_unwritable); everything else, a missing archive too, is a failed test with a document.
    """
    test = _Test(request, check)
    try:
        test.go()
    except UpkeepError as error:
        test.findings.failures.insert(0, (error.code, error.message))
        test.details = error.details
    except OSError as error:
        test.findings.fail("io_error", f"{error.filename or request.archive}: {error.strerror or error}.")
    return test.result()


class _Test:
    def __init__(self, request: Request, check: bool) -> None:
        self.started, self.clock = times.now(), time.monotonic()
        if request.threads is not None and not 1 <= request.threads <= 256:
            message = f"threads: {request.threads} is not between 1 and 256."
            raise UpkeepError("bad_parameter", message, option="threads")
        self.request, self.check, self.threads = request, check, request.threads or usable_cpus()
        self.level = levels.chosen(request.level, request.mode)
        levels.require_whole(self.level, request.paths, request.sample)
        self.scope = scopes.parse(request.paths, request.sample)
        self.selection = scopes.Selection(self.scope)
        self.commands = _parsed(request.checks)
        self.path = os.path.abspath(request.archive)
        self.findings, self.details = Findings(), {}
        self.archive: Optional[Archive] = None
        self.differences = Differences()
        self.drift: Optional[Differences] = None
        self.check_results: List[Dict[str, Any]] = []
        self.dump_results: List[Dict[str, Any]] = []
        self.kept = False
        self.scratch: Optional[Scratch] = None
        self.restored = False
        self.next_scope: Optional[Dict[str, Any]] = None
        if self.level == levels.EXTRACT:
            if not request.dest:
                raise UpkeepError("bad_parameter", "dest: mode extract needs a scratch folder.", option="dest")
            self.scratch = Scratch(request.dest)
            self.scratch.check(self.path)
        elif self.commands and request.level is None:
            raise UpkeepError("bad_parameter", "checks: they need mode extract, to run in its dest.", option="checks")

    def go(self) -> None:
        wanted = Wanted(self.scope.paths) if self.scope.paths else None
        self.archive = open_archive(self.path, self.request.manifest, self.findings, wanted)
        if self.request.compare == "live" and "parameters" not in self.archive.manifest.closing:
            message = "compare: live needs the manifest beside the archive, which says where the paths were."
            raise UpkeepError("manifest_missing", message)
        try:
            self.selection = scopes.select(self.scope, self.archive.manifest.entries())
            for check in [] if self.scratch is not None else self.commands:
                self.findings.left_out(f"check {check['name']}", f"level {self.level} restores nothing to run it on")
            self._note_incomplete()
            if self.scratch is None or self.check:
                with_dumps.missed(self.request.dumps, self.dumps, self.findings)
                if self.dumps:
                    self.findings.left_out("that the dumps load", "nothing was restored to load them from")
            if self.level == levels.HASH:
                levels.verify_hash(self.archive, self.findings)
            elif self.scratch is None or self.check:
                verify(self.archive, self.selection, self.threads, self.findings)
                if self.scratch is not None:
                    self.findings.left_out("the extraction, and the checks in it", "check mode only reads the archive")
            else:
                self._extract(self.scratch)
            if self.request.compare == "live":
                self._compare_live()
        finally:
            self._look_for_the_intact()
            self.archive.close()

    @property
    def dumps(self) -> List[Dict[str, Any]]:
        """What the backup says of the dumps in the archive."""
        known = self.archive.manifest.closing.get("document", {}) if self.archive else {}
        return known.get("dumps") or []

    def _look_for_the_intact(self) -> None:
        findings = self.findings
        if findings.damaged and (findings.failures or [("", "")])[0][0] != "manifest_mismatch":
            names = (entry.path for entry in self.archive.manifest.entries() if entry in self.selection)
            expected, blocks = findings.expected, findings.damaged_blocks
            self.next_scope = smaller.next_scope(expected, findings.damaged_paths - {EMBEDDED_NAME}, blocks, names)

    def _note_incomplete(self) -> None:
        known = self.archive.manifest
        if known.complete:
            return
        document = known.closing.get("document", {})
        lists = {key: document.get(key) for key in ("unreadable", "vanished", "changed_during_backup")}
        named = {key: names for key, names in lists.items() if names and isinstance(names, list)}
        said = "; ".join(f"{key}: {', '.join(map(str, names[:20]))}" for key, names in named.items())
        self.findings.left_out("what the backup could not store", said or "the backup says that it is incomplete")

    # -- extraction ------------------------------------------------------------------------------------------------

    def _extract(self, scratch: Scratch) -> None:
        walk.allow_descriptors()
        self._require_room(scratch)
        try:
            fd = scratch.prepare()
        except OSError as error:
            raise write_error(error, scratch.path)
        try:
            self.extractor = Extractor(fd, self.request.devices)
            try:
                self._fill(fd)
                self.extractor.finish(self._links_and_folders(), self.findings.damaged_paths)
            except OSError as error:
                raise write_error(error, os.path.join(scratch.path, shown(self.extractor.current)))
            finally:
                self.extractor.close()
            self._compare_extracted(self.extractor, scratch, fd)
            self.restored = not self.differences.count
            self.check_results = _run(self.commands, scratch.path)
            self.dump_results = with_dumps.loaded(
                scratch.path, self.request.dumps, self.scope, self.dumps, self.findings
            )
        finally:
            self.kept = self.request.keep
            if not self.request.keep:
                self._remove(scratch)
            os.close(fd)  # not before: it is the lock

    def _fill(self, fd: int) -> None:
        """Make every folder and file in scope."""
        known, doubt = self.archive, quick.CANNOT_TELL
        if self.selection.everything:
            doubt = quick.prove(known.fd, known.codec, known.manifest, self.threads, self.findings, self.extractor)
        if doubt:  # again, one after the other, from an empty folder
            self.extractor.close()
            empty(fd, keep=MARKER)
            self.extractor = Extractor(fd, self.request.devices)
            verify(known, self.selection, self.threads, self.findings, self.extractor.entry, doubt=doubt)

    def _remove(self, scratch: Scratch) -> None:
        try:
            scratch.remove()
        except OSError as error:
            self.kept = True
            self.findings.left_out("the clean-up", f"{scratch.path} could not be removed ({error.strerror})")

    def _require_room(self, scratch: Scratch) -> None:
        """A bomb, or just too much, is refused before the first byte where the whole archive is extracted."""
        place = scratch.path
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        info = os.statvfs(place)
        free, wanted = info.f_bavail * info.f_frsize, self.archive.manifest.closing["tar_bytes"]
        if self.scope.everything and free < wanted:
            message = f"dest: {scratch.path} has {free} bytes free, the archive holds {wanted}; nothing was extracted."
            raise UpkeepError("no_space", message, free=free, required=wanted)

    def _links_and_folders(self):
        files = bool(self.selection.stand_ins)  # a link that stands in for a file has that file's attributes
        entries = self.selection.as_restored(self.archive.manifest.entries(files))
        return (e for e in entries if e.offset is not None and e in self.selection)

    def _compare_extracted(self, extractor: Extractor, scratch: Scratch, fd: int) -> None:
        info = os.fstat(fd)
        ours = {(info.st_dev, info.st_ino): lambda name: name == SCRATCH_MARKER}
        roots = [walk.Root(b".", os.fsencode(scratch.path), b".")]
        skip = {"user", "group"}  # names belong to the host that was backed up; the numbers are what is restored
        if "owner" in extractor.limits or not extractor.owners:
            skip |= {"uid", "gid"}
            why = extractor.limits.get("owner", "only root can restore it")
            self.findings.left_out("owner and group of every entry", why)
        limits = {key: why for key, why in extractor.limits.items() if key != "owner"}
        for key, why in limits.items():
            self.findings.left_out(f"attribute {key}", f"it could not be restored here ({why})")
        for path, why in list(extractor.skipped.items())[:LIMIT]:
            self.findings.left_out(shown(path), why)

        def without(entry: Entry) -> bool:
            return entry.path in extractor.skipped or entry.path in self.findings.damaged_paths

        known = self.archive.manifest

        def compare(chunks: range, stretch: trees.Stretch) -> Differences:
            whole = len(chunks) == len(known.starts)
            leave_out = walk.keep_all if whole else stretch.leaves_out
            return trees.against_manifest(
                walk.Walker(roots, leave_out, avoid_names=ours, markers=frozenset()), known, self.selection, without,
                frozenset(skip), frozenset(limits), self.selection.as_restored,
                None if whole else chunks, None if whole else stretch,
            )  # fmt: skip

        # a file with several names is only known by all of them
        together = known.links or known.spool is not None or not self.selection.everything
        shares = 1 if together else len(quick.ranges_of(known, self.threads))
        self.differences = trees.in_stretches(compare, known.starts, shares)
        if self.differences.count:
            self.findings.fail(
                "restore_differs",
                f"dest: {self.differences.count} differences between the manifest and what was restored; the first: "
                f"{self.differences.first}.",
            )

    def _compare_live(self) -> None:
        known = self.archive.manifest
        parameters = known.closing["parameters"]
        try:
            roots = walk.find_roots(parameters["paths"], parameters["root"], missing_ok=True)
            exclude, one_file_system = walk.exclusion(parameters["exclude"]), bool(parameters["one_file_system"])
        except (KeyError, TypeError, AttributeError):
            raise damaged(known.path, "its parameters are not those of a backup")
        avoid = {}
        places = {}
        dest = Destination(history.dest_of(self.path))
        for folder in (dest.folder, state.state_dir()):
            if os.path.isdir(folder):
                info = os.stat(folder)
                places[folder] = (info.st_dev, info.st_ino)
        if dest.folder in places:
            avoid[places[dest.folder]] = dest.names()
        walker = walk.Walker(
            roots, exclude, one_file_system,
            frozenset(places[f] for f in places if f == state.state_dir()), avoid,
        )  # fmt: skip
        self.drift = trees.against_manifest(
            walker, known, self.scope, lambda entry: scopes.under(entry.path, with_dumps.FOLDER)
        )
        if self.drift.count:
            self.findings.fail(
                "drift_found",
                f"compare: {self.drift.count} differences between the archive and the live files; the first: "
                f"{self.drift.first}.",
            )

    # -- the result ------------------------------------------------------------------------------------------------

    def result(self) -> Result:
        changed = self._remember()
        failure = self._failure()
        whole = not self.findings.not_stable and self.archive is not None and self.archive.manifest.complete
        whole = whole and not with_dumps.untested(self.dump_results)
        document = self._document("failed" if failure else "ok" if whole else "incomplete")
        if self.dumps or self.dump_results:
            document["dumps"] = self.dump_results
        return Result(document, changed, failure)

    def _remember(self) -> bool:
        """Whether another archive than before lies in the scratch folder now."""
        if self.scratch is None or not self.kept:
            return False
        try:
            return self.scratch.remember(self.findings.archive_sha256)
        except OSError as error:
            why = f"its marker file could not be written ({error.strerror}): the next test will refuse it"
            self.findings.left_out(f"the scratch folder {self.scratch.path}", why)
            return True

    def _failure(self) -> Optional[UpkeepError]:
        findings = self.findings
        for done in self.check_results:
            if not done["ok"]:
                message = f"checks: {done['name']} ended with {done['rc']}: {done.get('output', '').strip()[-200:]}"
                findings.fail("check_failed", " ".join(message.split()))
        if not findings.failures and not findings.verified and self.level != levels.HASH:
            findings.fail(
                "nothing_verified",
                f"{self.path}: no entry was verified: "
                + ("nothing in the archive is in the scope asked for." if findings.total else "the archive is empty."),
            )
        if not findings.failures:
            return None
        code, message = findings.failures[0]
        return UpkeepError(code, message, **self.details)

    def _document(self, status: str) -> Dict[str, Any]:
        findings, trees_seen = self.findings, [self.differences] + ([self.drift] if self.drift else [])
        closing = self.archive.manifest.closing if self.archive else {}
        covered = round(100.0 * findings.expected / findings.total, 2) if findings.total else 0.0
        reached = levels.reached(self.level, self.archive, findings, self.restored)
        corrupt = [shown(damage.path) for damage in findings.damage]
        for seen in trees_seen:
            corrupt += [name for name in seen.corrupt if name not in corrupt]
        return {
            "schema": SCHEMA,
            "backup": self.archive.manifest.header["backup"] if self.archive else None,
            "archive": self.path,
            "archive_sha256": findings.archive_sha256,
            "archive_created": closing.get("created"),
            "status": status,
            "scope": {
                "mode": "stream" if self.check and self.scratch else levels.LEVELS[self.level].mode,
                "level": self.level,
                "paths": [shown(path) for path in self.scope.paths],
                "sample": dict(self.request.sample or {}) if self.scope.sample else None,
                "coverage_pct": covered,
                "compare": self.request.compare,
            },
            "level_reached": reached,
            "not_proven": levels.left_open(reached, self.request.compare),
            "next_scope": self.next_scope,
            "entries_expected": findings.expected,
            "entries_verified": findings.verified,
            "files_expected": findings.files_expected,
            "files_verified": findings.files_verified,
            "bytes_verified": findings.bytes_verified,
            "missing_files": [shown(path) for path in self.selection.missing]
            + [name for seen in trees_seen for name in seen.missing],
            "corrupt_files": corrupt,
            "metadata_mismatches": [item for seen in trees_seen for item in seen.metadata],
            "extra_files": [name for seen in trees_seen for name in seen.extra],
            "damage": [{"path": shown(d.path), "block": d.block, "why": d.why} for d in findings.damage],
            "damaged_blocks": findings.damaged_blocks[:LIMIT],
            "not_checked": findings.not_checked,
            "failures": [{"error_code": code, "msg": message} for code, message in findings.failures],
            "details": self.details,
            "checks": self.check_results,
            "restored_on": machine(),
            "dest": self.scratch.path if self.scratch is not None and self.kept else None,
            "started": times.iso(self.started),
            "finished": times.iso(times.now()),
            "duration_ms": int((time.monotonic() - self.clock) * 1000),
            "tool": {"collection": VERSION},
        }


def _parsed(checks: Sequence[Any]) -> List[Dict[str, Any]]:
    if not checks:
        return []
    from . import checks as commands  # pylint: disable=import-outside-toplevel  # brings subprocess, often for nothing

    return commands.parse(list(checks))


def _run(checks: List[Dict[str, Any]], folder: str) -> List[Dict[str, Any]]:
    if not checks:
        return []
    from . import checks as commands  # pylint: disable=import-outside-toplevel

    return [commands.run(check, folder) for check in checks]
