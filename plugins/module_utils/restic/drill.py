# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drill of a snapshot: part of the repository read, the snapshot restored and compared; told as upkeep.restore/1."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.archive import checks as commands
from ansible_collections.proven.upkeep.plugins.module_utils.archive.restore import Result
from ansible_collections.proven.upkeep.plugins.module_utils.archive.scratch import MARKER, Scratch
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import load
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.identity import machine
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import call, compare, exits, snapshots
from .call import Answer, Session
from .compare import Compared

SCHEMA = "upkeep.restore/1"
ENGINE = "restic"
LINK_FOLDERS = 16  # whose links are compared: each takes a call of restic
_LEAVES_OPEN = [
    "drift: the live files were not compared",
    "extended attributes and ACLs: restic restores and does not list them",
]


class Request(NamedTuple):
    """The parameters of `restore_restic`, as its documentation describes them."""

    name: str
    repository: str
    password: str
    host: Optional[str] = None
    at: str = "latest"
    mode: str = "drill"
    dest: Optional[str] = None
    paths: Sequence[str] = ()
    environment: Optional[Dict[str, str]] = None
    settings: Optional[Dict[str, Any]] = None
    secrets: Optional[Dict[str, Any]] = None
    program: str = "restic"
    options: Sequence[str] = ()
    retry_lock: str = "15m"
    checks: Sequence[Any] = ()
    check_of: int = 7
    check_part: int = 1
    load_dumps: bool = True
    dumps: Sequence[Dict[str, Any]] = ()
    keep: bool = False
    only: Sequence[str] = ()
    overwrite: Optional[str] = None


def opened_for(request: Request) -> call.Repository:
    """Raises UpkeepError as `call.repository` does."""
    return call.repository(
        request.repository, request.password, request.environment or {}, request.secrets or {}, request.program,
        request.options, request.retry_lock, request.settings,
    )  # fmt: skip


def run(request: Request, check: bool = False) -> Result:
    """Test. With `check` nothing is restored: restic says what it would restore, and the test is incomplete.

    Raises UpkeepError only for what makes no test at all (bad_parameter, secret_missing, restic_missing,
    restic_too_old, dest_not_empty, dest_not_a_folder); everything else is a failed test with a document.
    """
    test = _Drill(request, check)
    try:
        with call.opened(test.repository, changes=not check) as session:
            test.go(session)
    except UpkeepError as error:
        test.fail(error.code, error.message)
    except OSError as error:
        test.fail("io_error", f"{error.filename or request.dest}: {error.strerror or error}.")
    return test.result()


class _Nodes:
    """The nodes of `restic ls`, as often as they are asked for."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return self._answer.documents("node")


class _Drill:
    def __init__(self, request: Request, check: bool) -> None:
        self.started, self.clock = times.now(), time.monotonic()
        self.request, self.check = request, check
        if not request.dest:
            raise UpkeepError("bad_parameter", "dest: a drill needs a scratch folder.", option="dest")
        if request.check_of < 0 or (request.check_of and not 1 <= request.check_part <= request.check_of):
            message = f"check_part: {request.check_part} is none of 1 to {request.check_of}."
            raise UpkeepError("bad_parameter", message, option="check_part")
        self.paths = absolute(request.paths)
        self.commands = commands.parse(list(request.checks))
        self.host = request.host or os.uname().nodename
        self.repository = opened_for(request)
        self.scratch = Scratch(request.dest)
        self.scratch.check(request.repository if os.path.isabs(request.repository) else "/")
        self.snapshot: Dict[str, Any] = {}
        self.compared = Compared()
        self.failures: List[Dict[str, str]] = []
        self.not_checked: List[Dict[str, str]] = []
        self.check_results: List[Dict[str, Any]] = []
        self.dump_results: List[Dict[str, Any]] = []
        self.read: Optional[Dict[str, int]] = None
        self.restored = self.kept = self.changed = False

    def fail(self, code: str, message: str) -> None:
        self.failures.append({"error_code": code, "msg": message})

    def left_out(self, what: str, why: str) -> None:
        self.not_checked.append({"what": what, "why": why})

    def go(self, session: Session) -> None:
        request = self.request
        self.snapshot = snapshots.chosen(session, self.host, request.name, request.at)
        if self.snapshot.get("incomplete"):
            self.left_out("what the backup could not store", "restic could not read all of it then")
        if self.check:
            self.left_out("the restore, and all checks of it", "check mode restores nothing")
            return
        self._read_part(session)
        fd = self.scratch.prepare()
        try:
            self._restore(session)
            self._compare(session)
            self.check_results = [commands.run(check, self.scratch.path) for check in self.commands]
            self._load_dumps()
        finally:
            self._clean_up()
            os.close(fd)

    def _read_part(self, session: Session) -> None:
        part, of = self.request.check_part, self.request.check_of
        if not of:
            self.left_out("the repository's data beyond this snapshot", "check_of is 0")
            return
        answer = session.call(
            "check", "--read-data" if of == 1 else f"--read-data-subset={part}/{of}", ok=(exits.OK, exits.FAILED)
        )
        self.read = {"part": part, "of": of}
        if answer.code:
            self.fail(
                "archive_damaged", f"repository: restic check found damage in {self.repository.shown}: {answer.said}"
            )

    def _restore(self, session: Session) -> None:
        include = [word for path in self.paths for word in ("--include", compare.pattern(path))]
        answer = session.call(
            "restore", self.snapshot["id"], "--target", self.scratch.path, "--verify", *include,
            ok=(exits.OK, exits.FAILED),
        )  # fmt: skip
        self.restored = answer.code == exits.OK
        if not self.restored:
            self.compared.corrupt += list(dict.fromkeys(str(e["item"]) for e in answer.errors if e.get("item")))
            self.fail("archive_damaged", f"repository: restic restore --verify failed: {answer.said}")

    def _compare(self, session: Session) -> None:
        owners = os.geteuid() == 0
        if not owners:
            self.left_out("owner and group of every entry", "only root can restore it")
        nodes = _Nodes(session.call("ls", self.snapshot["id"]))
        known, self.compared = self.compared, compare.compare(nodes, self.scratch.path, self.paths, owners, MARKER)
        self.compared.corrupt += [name for name in known.corrupt if name not in self.compared.corrupt]
        self._compare_links(session)
        done = self.compared
        if done.count:
            self.fail(
                "restore_differs",
                f"dest: {done.count} differences between the snapshot and what was restored; the first: {done.first}.",
            )
        if not done.verified:
            self.fail("nothing_verified", f"{self._archive()}: no entry was verified: nothing of it is in scope.")

    def _compare_links(self, session: Session) -> None:
        folders = sorted(folder for folder in self.compared.links if compare.UNKNOWN not in folder)
        for folder in folders[:LINK_FOLDERS]:
            answer = session.call("cat tree", f"{self.snapshot['id']}:{folder}")
            compare.links(answer.value(), self.scratch.path, folder, self.compared)
        rest = set(self.compared.links) - set(folders[:LINK_FOLDERS])
        if rest:
            links = sum(len(self.compared.links[folder]) for folder in rest)
            why = f"restic tells targets a folder at a time, and {LINK_FOLDERS} are asked for"
            self.left_out(f"where {links} symbolic links in {len(rest)} folders lead to", why)

    def _load_dumps(self) -> None:
        if self.paths:
            if self.request.dumps:
                self.left_out("that the dumps load", "they are not all in the scope of this drill")
            return
        if not self.compared.dumps and not self.request.dumps:
            return
        if not self.request.load_dumps:
            self.left_out("that the dumps load", "load_dumps is false")
            return
        folder = os.path.join(self.scratch.path, self.compared.dumps or compare.DUMPS)
        try:
            self.dump_results = load.tested(folder, self.scratch.path, self.request.dumps)
        except UpkeepError as error:
            self.fail(error.code, error.message)
        for code, sentence in load.failures(self.dump_results):
            self.fail(code, f"dumps: {sentence}.")
        self.not_checked += load.left_out(self.dump_results)

    def _clean_up(self) -> None:
        try:
            self.kept = self.request.keep
            if self.kept:
                self.changed = self.scratch.remember(self.snapshot["id"])
            else:
                self.scratch.remove()
        except OSError as error:
            self.kept = True
            self.left_out("the clean-up", f"{self.scratch.path} could not be removed ({error.strerror})")

    # -- the result ------------------------------------------------------------------------------------------------

    def result(self) -> Result:
        for done in self.check_results:
            if not done["ok"]:
                said = " ".join(done.get("output", "").strip()[-200:].split())
                self.fail("check_failed", f"checks: {done['name']} ended with {done['rc']}: {said}")
        whole = not self.check and not self.snapshot.get("incomplete")
        whole = whole and not any(one["status"] == "not_checked" for one in self.dump_results)
        document = self._document("failed" if self.failures else "ok" if whole else "incomplete")
        if self.dump_results:
            document["dumps"] = self.dump_results
        if not self.failures:
            return Result(document, self.changed)
        first = self.failures[0]
        return Result(document, self.changed, UpkeepError(first["error_code"], first["msg"]))

    def _archive(self) -> str:
        known = self.snapshot.get("id")
        return f"{self.repository.shown}#{known[:8]}" if known else self.repository.shown

    def _document(self, status: str) -> Dict[str, Any]:
        done, known = self.compared, self.snapshot
        proven = self.restored and bool(done.verified) and not done.count
        whole = bool(done.expected) and not self.paths
        return {
            "schema": SCHEMA, "backup": self.request.name, "engine": ENGINE, "repository": self.repository.shown,
            "snapshot_id": known.get("id"), "archive": self._archive(), "archive_sha256": known.get("id"),
            "archive_created": snapshots.created(known) if known else None, "status": status,
            "scope": {
                "mode": "extract", "level": "extract", "paths": self.paths, "sample": None,
                "coverage_pct": 100.0 if whole else self._coverage(), "compare": "manifest",
            },
            "level_reached": "extract" if proven else None,
            "not_proven": _LEAVES_OPEN if proven else ["that it restores", *_LEAVES_OPEN],
            "next_scope": None,
            "contents_verified_by": "restic restore --verify" if self.restored else None,
            "repository_checked": self.read,
            "entries_expected": done.expected, "entries_verified": done.verified,
            "files_expected": done.files_expected, "files_verified": done.files_verified,
            "bytes_verified": done.bytes if self.restored else 0, "missing_files": done.missing,
            "corrupt_files": done.corrupt, "metadata_mismatches": done.metadata, "extra_files": done.extra,
            "damage": [], "damaged_blocks": [], "not_checked": self.not_checked, "failures": self.failures,
            "details": {}, "checks": self.check_results, "restored_on": machine(),
            "dest": self.scratch.path if self.kept else None, "started": times.iso(self.started),
            "finished": times.iso(times.now()), "duration_ms": int((time.monotonic() - self.clock) * 1000),
            "tool": {"collection": VERSION, "restic": self.repository.version},
        }  # fmt: skip

    def _coverage(self) -> float:
        files = snapshots.counts(self.snapshot)["files"] if self.snapshot else 0
        return min(100.0, round(100.0 * self.compared.files_expected / files, 2)) if files else 0.0


def absolute(paths: Sequence[str]) -> List[str]:
    """Paths as the snapshot has them. Raises UpkeepError bad_parameter."""
    if not all(paths):
        raise UpkeepError("bad_parameter", "paths: an empty path.", option="paths")
    return [os.path.normpath("/" + path.lstrip("/")) for path in paths]
