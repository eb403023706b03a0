# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One backup into a restic repository: made where there is none, and told as upkeep.backup/1."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from ansible_collections.proven.upkeep.plugins.module_utils import state, times
from ansible_collections.proven.upkeep.plugins.module_utils.archive.walk import find_roots
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import take
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import call, exits, forget, snapshots
from .call import Answer, Session
from .compare import pattern

SCHEMA = "upkeep.backup/1"
ENGINE = "restic"
MAX_LISTED = 1000
# Where one of these lies, a folder's contents stay out: evidence, and what a drill restored.
_MARKERS = (".upkeep-evidence", ".upkeep-restore")
_NEW = ("files_new", "files_changed", "dirs_new")
_SIGNS = {"new": "+", "modified": "~"}


class Request(NamedTuple):
    """The parameters of `backup_restic`, as its documentation describes them."""

    name: str
    paths: Sequence[str]
    repository: str
    password: str
    host: Optional[str] = None
    exclude: Sequence[str] = ()
    one_file_system: bool = False
    environment: Optional[Dict[str, str]] = None
    settings: Optional[Dict[str, Any]] = None
    secrets: Optional[Dict[str, Any]] = None
    program: str = "restic"
    options: Sequence[str] = ()
    retry_lock: str = "15m"
    init: bool = True
    dumps: Sequence[Dict[str, Any]] = ()
    keep_last: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_at_least: int = 1
    verified: Sequence[str] = ()
    force: bool = False


def run(request: Request, check: bool = False, diff: bool = False) -> Dict[str, Any]:
    """Back up. Returns {"changed", "data": upkeep.backup/1 without project and host, "diff" where asked for}.

    With `check` nothing is written here or there, and `data` has `predicted: true`. Raises UpkeepError: bad_parameter,
    path_missing, secret_missing, dump_failed, dumps_locked, io_error, restic_missing, restic_too_old, and those of
    `exits`. Retention that fails is no failure of the backup: `pruned` says so.
    """
    this = _Run(request, check, diff)
    try:
        with call.opened(this.repository, changes=not check) as session:
            return this.go(session)
    except OSError as error:
        raise UpkeepError("io_error", f"{error.filename or request.repository}: {error.strerror or error}.")


class _Run:
    def __init__(self, request: Request, check: bool, diff: bool) -> None:
        self.started, self.clock = times.now(), time.monotonic()
        self.request, self.check, self.diff = request, check, diff
        if not request.name:
            raise UpkeepError("bad_parameter", "name: it is empty; give the backup a name.", option="name")
        if not request.paths and not request.dumps:
            raise UpkeepError("bad_parameter", "paths: nothing to back up was named.", option="paths")
        self.rules = forget.rules(request._asdict())
        self.host = request.host or os.uname().nodename
        # restic itself leaves out a path that is not there, and says that all is well.
        self.paths = [
            os.fsdecode(os.path.normpath(os.path.join(r.folder, r.name))) for r in find_roots(request.paths, None)
        ]
        secrets = request.secrets or {}
        self.dumps = take.expected(take.parsed(request.dumps, secrets)) if request.dumps else []
        self.repository = call.repository(
            request.repository, request.password, request.environment or {}, secrets, request.program,
            request.options, request.retry_lock, request.settings,
        )  # fmt: skip
        self.warnings: List[str] = []
        self.changes: List[str] = []

    def go(self, session: Session) -> Dict[str, Any]:
        there = self._made(session)
        if self.check and (not there or self.dumps):
            why = "there is no repository yet: it will be made" if not there else "dumps are taken anew each time"
            return self._result(True, self._document(predicted=True, reason=why))
        with self._dumped() as folder:
            answer = self._backed_up(session, folder)
        result = self._told(session, answer)
        if result["data"]["complete"] and not self.check:
            result["data"].update(forget.after(session, self.host, self.request.name, self.rules,
                                               self.request.keep_at_least, self.request.verified))  # fmt: skip
        result["data"]["duration_ms"] = self._elapsed()
        return result

    def _made(self, session: Session) -> bool:
        """Whether there is a repository; made where there is none and that is asked for. Never on a wrong password."""
        allowed = [exits.OK] + ([exits.NO_REPOSITORY] if self.request.init else [])
        if session.call("cat config", ok=allowed).code == exits.OK:
            return True
        if not self.check:
            if session.call("init", ok=(exits.OK, exits.FAILED)).code:
                session.call("cat config")  # another host may have made it meanwhile; else this says what is wrong
            self.warnings.append(f"There was no repository at {self.repository.shown}; it was made.")
        return not self.check

    @contextlib.contextmanager
    def _dumped(self) -> Iterator[Optional[str]]:
        """The folder that holds the dumps, always by the same name: what did not change in it is not stored again."""
        if not self.dumps:
            yield None
            return
        spool = take.spool_of(self.request.name, self.request.repository)
        with take.taken(self.request.dumps, self.request.secrets or {}, spool) as (self.dumps, folder):
            yield folder

    def _backed_up(self, session: Session, dumps: Optional[str]) -> Answer:
        request = self.request
        tags = ("--tag", snapshots.OURS, "--tag", snapshots.complete_tag(request.name))
        how = ["--host", self.host, *tags, "--group-by", "host,tags"]
        how += ["--force"] if request.force else ["--skip-if-unchanged"]
        how += ["--one-file-system"] if request.one_file_system else []
        how += ["--dry-run"] if self.check else []
        how += ["-vv"] if self.diff else []
        for left_out in [*request.exclude, *_own()]:
            how += ["--exclude", left_out]
        for marker in _MARKERS:
            how += ["--exclude-if-present", marker]
        what = [*self.paths, *([dumps] if dumps else [])]
        answer = session.call("backup", *how, "--", *what, ok=(exits.OK, exits.INCOMPLETE))
        if self.diff:
            self._note_changes(answer)
        return answer

    def _told(self, session: Session, answer: Answer) -> Dict[str, Any]:
        summary = answer.summary()
        complete = answer.code == exits.OK
        if not summary or (complete and any(e.get("message_type") == "error" for e in answer.errors)):
            raise exits.failure(exits.FAILED, "backup", self.repository.shown, answer.said)
        facts: Dict[str, Any] = {"complete": complete, **_left_out(answer.errors)}
        new = summary.get("snapshot_id")
        if self.check:
            there = {} if new else self._earlier(session)
            return self._result(bool(new), self._document(**{**facts, **there, "predicted": True}))
        if not new:
            facts.update(self._earlier(session), unchanged=complete)
            if complete:
                facts["confirmed_at"] = times.iso(times.now())
            return self._result(False, self._document(**facts))
        if complete and self._same_below(session, new, summary):
            now = times.iso(times.now())
            return self._result(False, self._document(**{**facts, **self._earlier(session), "unchanged": True,
                                                         "confirmed_at": now}))  # fmt: skip
        if not complete:
            new = self._marked(session, new)
        snapshot = {"id": new, "time": summary.get("backup_start"), "summary": summary}
        begun = snapshots.iso(snapshot["time"]) if snapshot["time"] else times.iso(self.started)
        facts.update(self._identity(new), **snapshots.counts(snapshot), created=begun, confirmed_at=begun)
        return self._result(True, self._document(**facts))

    def _same_below(self, session: Session, new: str, summary: Dict[str, Any]) -> bool:
        """Whether nothing but folders above the paths changed, which restic stores too: then the new one goes again."""
        if self.request.force or self.dumps or any(summary.get(key) for key in _NEW):
            return False
        there = snapshots.listed(session, self.host, snapshots.complete_tag(self.request.name))
        mine = [one for one in there if one["id"] == new]
        earlier = [one for one in there if one["id"] != new]
        if not mine or not earlier or mine[0].get("paths") != earlier[0].get("paths"):
            return False
        changes = session.call("diff", "--metadata", earlier[0]["id"], new).documents("change")
        inside = [path + "/" for path in self.paths]
        if not all(any(path.startswith(one["path"].rstrip("/") + "/") for path in self.paths)
                   and not (one["path"].rstrip("/") + "/").startswith(tuple(inside)) for one in changes):  # fmt: skip
            return False
        try:
            session.call("forget", new)
        except UpkeepError as error:  # such as a repository that only ever takes: then it stays
            self.warnings.append(f"The snapshot {new[:8]} differs in nothing but folders above, and stays: {error}")
            return False
        return True

    def _marked(self, session: Session, snapshot: str) -> str:
        """The id of an incomplete snapshot once it is tagged as such: restic writes it anew for that."""
        tags = ("--set", snapshots.OURS, "--set", snapshots.incomplete_tag(self.request.name))
        try:
            for change in session.call("tag", *tags, snapshot).documents("changed"):
                return change["new_snapshot_id"]
            for one in snapshots.listed(session, self.host, snapshots.incomplete_tag(self.request.name)):
                if one.get("original") == snapshot:
                    return one["id"]
        except (UpkeepError, KeyError) as error:
            self.warnings.append(f"The snapshot {snapshot[:8]} could not be tagged as incomplete: {error}")
        return snapshot

    def _earlier(self, session: Session) -> Dict[str, Any]:
        """What is known of the snapshot that is still the state of the paths."""
        there = snapshots.listed(session, self.host, snapshots.complete_tag(self.request.name))
        if not there:
            raise exits.failure(exits.FAILED, "backup", self.repository.shown, "it made no snapshot, and there is none")
        begun = snapshots.created(there[0])
        known = {**snapshots.counts(there[0]), "created": begun, "confirmed_at": begun}
        return {**self._identity(there[0]["id"]), **known}

    def _identity(self, snapshot: str) -> Dict[str, Any]:
        return {"snapshot_id": snapshot, "sha256": snapshot, "archive": f"{self.repository.shown}#{snapshot[:8]}"}

    def _note_changes(self, answer: Answer) -> None:
        more = 0
        for one in answer.documents("verbose_status"):
            sign = _SIGNS.get(one.get("action", ""))
            if sign and len(self.changes) < MAX_LISTED:
                self.changes.append(f"{sign} {one['item']}")
            elif sign:
                more += 1
        self.changes += [f"… and {more} more"] if more else []

    # -- describing -------------------------------------------------------------------------------------------------

    def _result(self, changed: bool, document: Dict[str, Any]) -> Dict[str, Any]:
        result: Dict[str, Any] = {"changed": changed, "data": document}
        if self.diff:
            lines = self.changes or ([f"~ everything: {document['reason']}"] if "reason" in document else [])
            after = "".join(line + "\n" for line in lines)
            result["diff"] = {"before_header": document["archive"], "after_header": "what is there now", "before": "",
                              "after": after}  # fmt: skip
        return result

    def _document(self, **facts: Any) -> Dict[str, Any]:
        document = {
            "schema": SCHEMA, "backup": self.request.name, "engine": ENGINE, "repository": self.repository.shown,
            "snapshot_id": None, "archive": self.repository.shown, "manifest": None, "sha256": None, "bytes": None,
            "files": None, "entries": None, "input_bytes": None, "compression": ENGINE, "created": None,
            "confirmed_at": None, "duration_ms": self._elapsed(), "complete": None, "unchanged": False,
            "changed_during_backup": [], "unreadable": [], "vanished": [], "excluded": 0, "sockets": [],
            "warnings": self.warnings, "tool": self._tool(),
        }  # fmt: skip
        document.update(facts)
        if self.dumps:
            document["dumps"] = self.dumps
        return document

    def _tool(self) -> Dict[str, str]:
        compressor = f"restic {self.repository.version}"
        return {"collection": VERSION, "python": sys.version.split()[0], "compressor": compressor}

    def _elapsed(self) -> int:
        return int((time.monotonic() - self.clock) * 1000)


def _own() -> List[str]:
    """Patterns for what Upkeep keeps on this host, which no backup holds; but the dumps lie there, too."""
    home = state.state_dir()
    try:
        names = os.listdir(home)
    except OSError:
        return []
    return [pattern(os.path.join(home, name)) for name in names if name != "dumps"]


def _left_out(errors: Sequence[Dict[str, Any]]) -> Dict[str, List[str]]:
    """{"unreadable", "vanished"}: what restic says that it could not store."""
    gone: List[str] = []
    unread: List[str] = []
    for error in errors:
        item = error.get("item")
        if item:
            (gone if "no such file" in call.text(error) else unread).append(str(item))
    return {"unreadable": _names(unread), "vanished": _names(gone)}


def _names(paths: List[str]) -> List[str]:
    """As a document lists them: a thousand at most, then how many more."""
    more = len(paths) - MAX_LISTED
    return [*paths[:MAX_LISTED], *([f"… and {more} more"] if more > 0 else [])]
