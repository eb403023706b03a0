# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One backup run: decide whether anything changed, write, publish, and say what was done."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import state, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from . import cache, codecs, history, previous, walk, with_dumps
from ._pool import usable_cpus
from .destination import Destination, pending_manifest, write_error
from .manifest import SCHEMA as MANIFEST_SCHEMA
from .manifest import prove
from .model import EMBEDDED_NAME, shown, text
from .previous import Previous
from .writer import ArchiveWriter, Settings

SCHEMA = "upkeep.backup/1"
MAX_LISTED = 1000


class Request(NamedTuple):
    """The parameters of `backup_archive`, as its documentation describes them."""

    name: str
    paths: Sequence[str]
    dest: str
    root: Optional[str] = None
    exclude: Sequence[str] = ()
    compression: str = "auto"
    level: Optional[int] = None
    threads: Optional[int] = None
    one_file_system: bool = False
    xattrs: bool = True
    sparse: bool = True
    on_changed: str = "retry"
    on_unreadable: str = "fail"
    force: bool = False
    require_free: int = 0
    history: bool = False
    snapshot: str = "none"
    snapshot_size: Optional[str] = None
    dumps: Sequence[Dict[str, Any]] = ()
    secrets: Optional[Dict[str, Any]] = None


def run(request: Request, check: bool = False, diff: bool = False) -> Dict[str, Any]:
    """Back up. Returns {"changed", "data": upkeep.backup/1 without project and host, "diff" where asked for}.

    With `check`, nothing is touched and `data` has `predicted: true`. Raises UpkeepError: bad_parameter, path_missing,
    nothing_to_back_up, unreadable, changed_during_backup, no_space, dest_unwritable, dest_locked, dest_not_a_file,
    dest_of_another_set, history_unwritable, history_unreadable, compression_unavailable, snapshot_unavailable,
    snapshot_failed, snapshot_overflowed, io_error, secret_missing, dump_failed, dumps_locked. After any of them the
    last archive and its manifest are as they were.
    """
    this = _Run(request, diff)
    try:
        return this.go(check)
    except OSError as error:
        raise write_error(error, this.dest.archive)


class _Run:
    def __init__(self, request: Request, diff: bool) -> None:
        self.started, self.clock = times.now(), time.monotonic()
        self.request, self.wants_diff = request, diff
        _check(request)
        dest = os.path.abspath(request.dest)
        dest = os.path.join(os.path.realpath(os.path.dirname(dest)), os.path.basename(dest))
        self.codec, dest, self.warnings = codecs.choose(dest, request.compression)
        self.dest = Destination(dest)
        self.level = self.codec.default_level if request.level is None else request.level
        if self.level not in self.codec.levels:
            span = f"{self.codec.levels[0]} to {self.codec.levels[-1]}"
            raise UpkeepError("bad_parameter", f"level: {self.codec.name} takes {span}, not {self.level}.")
        self.roots = walk.find_roots(request.paths, request.root)
        self.snapshots: Any = None
        self.dumps = with_dumps.check(request.dumps, request.secrets or {}, self.roots)
        self.parameters = {
            "backup": request.name, "root": request.root, "paths": sorted(request.paths),
            "exclude": list(request.exclude), "compression": self.codec.name, "level": self.level,
            "one_file_system": request.one_file_system, "xattrs": request.xattrs, "sparse": request.sparse,
        }  # fmt: skip
        if request.dumps:
            self.parameters["dumps"] = [dump["name"] for dump in request.dumps]

    def go(self, check: bool) -> Dict[str, Any]:
        self.dest.check(make=not check)
        if self.request.history:
            history.check(self.dest.archive)
        if not check:
            self.warnings += self._settle()
        self._see_to_snapshots(check)
        self._warn_of_links()
        self.walker = self._walker()
        if check or self.dumps:  # check mode touches nothing; and dumps are to come first
            result = self._backed_up(check)
        else:
            with self._of_one_moment():
                result = self._backed_up(check)
        if self.snapshots is not None:
            result["data"].update(snapshot=self.snapshots.document)
            result["data"]["warnings"] += self.snapshots.warnings
        return result

    @contextlib.contextmanager
    def _of_one_moment(self) -> Iterator[None]:
        """The tree is read from snapshots in this block, where that is asked for."""
        if self.request.snapshot == "none" or self.snapshots is not None:
            yield
            return
        with self._snapshots() as self.snapshots:
            self.roots = self.snapshots.roots
            self.walker = self._walker(self.snapshots)
            yield

    def _snapshots(self) -> Any:
        from ..snapshots import take  # pylint: disable=import-outside-toplevel  # few backups want one

        return take.taken(self.roots, self._wanted(), walk.exclusion(self.request.exclude))

    def _see_to_snapshots(self, check: bool) -> None:
        """What check mode would not find out; and leftovers of a time when this backup still asked for snapshots."""
        is_wanted = self.request.snapshot != "none"
        if is_wanted != check or not (check or os.path.isdir(state.under("snapshots"))):
            return
        from ..snapshots import take  # pylint: disable=import-outside-toplevel  # few backups want one

        if check:
            take.foresee(self.roots, self._wanted(), walk.exclusion(self.request.exclude))
        else:
            self.warnings += take.swept(self.roots, self._wanted())

    def _wanted(self) -> Any:
        from ..snapshots.take import Wanted  # pylint: disable=import-outside-toplevel

        request = self.request
        return Wanted(request.snapshot, request.name, self.dest.archive, request.snapshot_size, request.one_file_system)

    def _backed_up(self, check: bool) -> Dict[str, Any]:
        self.walker.refuse_roots()
        if not self.request.force:
            previous.refuse_another(self.dest, self.request.name)
        known, self.reason = previous.find(self.dest, self.request.name, self.parameters)
        if self.request.force or self.dumps:
            known, self.reason = None, "force is set" if self.request.force else with_dumps.REASON
        result = self._unchanged(known, check) if known else None
        if result is None:
            if self.request.require_free:
                self.dest.require_free(self.request.require_free)
            result = {"changed": True, "data": self._predicted() if check else self._write()}
        self._add_history(result["data"])
        if self.wants_diff:
            result["diff"] = self._diff_text(result)
        return result

    def _settle(self) -> List[str]:
        done = self.dest.settle()
        if done:
            with self.dest.held():
                history.sweep(self.dest.archive, self.request.name)
        return done

    # -- deciding ---------------------------------------------------------------------------------------------------

    def _unchanged(self, known: Previous, check: bool) -> Optional[Dict[str, Any]]:
        """The result of a run that finds nothing new; None when a new archive is needed."""
        self.changes: List[str] = []
        if not previous.same_tree(known, self.walker):
            known = self._same_at_a_closer_look(known) if check else self._same_under_lock()
        if known is None:
            return None
        document = dict(known.document)
        document.update(
            archive=self.dest.archive, manifest=self.dest.manifest, confirmed_at=times.iso(times.now()),
            duration_ms=self._elapsed(), unchanged=True, excluded=self.walker.excluded, warnings=self._all_warnings(),
            tool=self._tool(),
        )  # fmt: skip
        if check:
            document["predicted"] = True
        else:
            self.dest.incomplete.remove()
        return {"changed": False, "data": document}

    def _same_under_lock(self) -> Optional[Previous]:
        """The closer look, with nobody replacing the archive until it is noted what that archive is."""
        with self.dest.held(), cache.recording(self.dest.spool) as recorder:
            known, self.reason = previous.find(self.dest, self.request.name, self.parameters)
            if known is not None:
                known = self._same_at_a_closer_look(known, recorder)
            if known is not None:
                self._remember(known.document, recorder)
        return known

    def _same_at_a_closer_look(self, known: Previous, recorder: Any = None) -> Optional[Previous]:
        """Compare with the manifest, hashing what the cache does not vouch for; `known` if nothing differs."""
        limit = MAX_LISTED if self.wants_diff else 1
        total = 0
        try:
            for sign, path in previous.differences(known, self.walker, self.request.xattrs, recorder):
                total += 1
                if total <= limit:
                    self.changes.append(f"{sign} {shown(path)}")
                if not self.wants_diff:
                    break
        except UpkeepError:  # its manifest is damaged: a reason to write anew, not to fail
            self.reason = "the manifest beside the archive cannot be used"
            return None
        if total > limit and self.wants_diff:
            self.changes.append("… and %s more" % (total - limit))
        if total or self.walker.vanished or self.walker.unreadable:
            self.reason = "the tree changed"
            return None
        return known

    def _predicted(self) -> Dict[str, Any]:
        """What check mode can say without reading the tree's contents."""
        return self._document(
            sha256=None, bytes=None, files=None, entries=None, input_bytes=None, created=None, confirmed_at=None,
            complete=None, predicted=True, reason=self.reason, **self._dumped(),
        )  # fmt: skip

    # -- writing ----------------------------------------------------------------------------------------------------

    def _write(self) -> Dict[str, Any]:
        settings = Settings(
            self.codec, self.level, self.request.threads or usable_cpus(), self.request.xattrs, self.request.sparse,
            self.request.on_changed,
        )  # fmt: skip
        request = self.request
        taken = with_dumps.taken(request.dumps, request.secrets or {}, request.name, self.dest.archive)
        # Dumps first: what refers to a file, such as a path in a table, must not be newer than the files.
        with self.dest.locked() as stream, taken as (self.dumps, dumps), self._of_one_moment(), cache.recording(
            self.dest.spool
        ) as recorder:
            writer = ArchiveWriter(stream, self.dest.spool, settings, self._manifest_header())
            try:
                for node in with_dumps.merged(self.walker.nodes(recorder), dumps):
                    writer.add(node)
                self._refuse_unreadable(writer)
                document = self._publish(writer)
            finally:
                writer.close()
            if document["complete"]:
                self._remember(document, recorder)
        document["warnings"] = self._all_warnings()
        document["duration_ms"] = self._elapsed()
        return document

    def _publish(self, writer: ArchiveWriter) -> Dict[str, Any]:
        if not writer.store.entries:
            raise UpkeepError(
                "nothing_to_back_up",
                f"paths: nothing in {', '.join(self.request.paths[:3])} can be stored; nothing was replaced. See "
                "whether it is still there and can be read.",
            )
        store = writer.store
        if store.denied:
            more = f" and {len(store.denied) - 20} more" if len(store.denied) > 20 else ""
            self.warnings.append(
                f"{len(store.denied)} extended attributes may not be read by this user and are not in the archive: "
                f"{', '.join(store.denied[:20])}{more}."
            )
        vanished = self.walker.vanished + store.vanished
        unreadable = self.walker.unreadable + store.unreadable
        complete = not (store.changed or unreadable or vanished)
        facts = writer.finish(complete)
        target = self.dest if complete else self.dest.incomplete
        created = times.iso(self.started)
        document = self._document(
            archive=target.archive, manifest=target.manifest, sha256=facts["archive_sha256"],
            bytes=facts["archive_bytes"], files=store.files, entries=store.entries, input_bytes=store.input_bytes,
            created=created, confirmed_at=created, complete=complete, changed_during_backup=_names(store.changed),
            unreadable=_names(unreadable), vanished=_names(vanished), sockets=_names(store.sockets),
            excluded=self.walker.excluded, reason=self.reason, **self._dumped(),
        )  # fmt: skip
        kept = {key: value for key, value in document.items() if key not in ("archive", "manifest", "duration_ms")}
        writer.write_manifest(
            pending_manifest(self.dest.archive), {"created": created, "parameters": self.parameters, "document": kept}
        )
        prove(pending_manifest(self.dest.archive))
        if complete and self.request.history:
            self._keep_what_is_replaced()
        self.dest.publish(target)
        if complete:
            self.dest.incomplete.remove()
        return document

    def _keep_what_is_replaced(self) -> None:
        if not os.path.lexists(self.dest.archive):
            return
        if not previous.is_whole(self.dest, self.request.name) or not history.keep(self.dest, self.request.name):
            self.warnings.append(
                f"The archive that was replaced, {self.dest.archive}, is not in the history: it was not as a complete "
                f"backup of {self.request.name} had left it."
            )

    def _refuse_unreadable(self, writer: ArchiveWriter) -> None:
        unreadable = self.walker.unreadable + writer.store.unreadable
        if unreadable and self.request.on_unreadable == "fail":
            why = writer.store.why_unreadable or self.walker.why_unreadable
            raise UpkeepError(
                "unreadable",
                f"paths: {len(unreadable)} of them cannot be read ({why}): {walk.listed(unreadable)}. Run as a user "
                "who may, exclude them, or set on_unreadable to mark; nothing was replaced.",
                unreadable=_names(unreadable),
                count=len(unreadable),
            )

    def _remember(self, document: Dict[str, Any], recorder: cache.Recorder) -> None:
        """The cache is a help, not a duty: without it the next run reads everything again."""
        try:
            previous.remember(self.dest, self.request.name, self.parameters, document, recorder)
        except OSError as error:
            self.warnings.append(f"The cache could not be written ({error}): the next run reads every file again.")

    # -- describing -------------------------------------------------------------------------------------------------

    def _add_history(self, document: Dict[str, Any]) -> None:
        """What lies in the history now, where there is one or should be."""
        if not self.request.history and not os.path.isdir(history.folder_of(self.dest.archive)):
            return
        try:
            document["history"] = history.summary(self.dest.archive, self.request.name)
        except UpkeepError as error:  # the backup itself is done
            document["warnings"].append(error.message)

    def _document(self, **facts: Any) -> Dict[str, Any]:
        document = {
            "schema": SCHEMA, "backup": self.request.name, "archive": self.dest.archive, "manifest": self.dest.manifest,
            "sha256": None, "bytes": None, "files": None, "entries": None, "input_bytes": None,
            "compression": self.codec.name, "created": None, "confirmed_at": None, "duration_ms": self._elapsed(),
            "complete": None, "unchanged": False, "changed_during_backup": [], "unreadable": [], "vanished": [],
            "excluded": 0, "sockets": [], "warnings": self._all_warnings(), "tool": self._tool(),
        }  # fmt: skip
        document.update(facts)
        return document

    def _dumped(self) -> Dict[str, Any]:
        return {"dumps": self.dumps} if self.dumps else {}

    def _manifest_header(self) -> Dict[str, Any]:
        """Deterministic: nothing of the host or the clock."""
        return {
            "schema": MANIFEST_SCHEMA, "backup": self.request.name, "roots": [text(root.path) for root in self.roots],
            "exclude": list(self.request.exclude), "compression": self.codec.name, "level": self.level,
            "one_file_system": self.request.one_file_system, "xattrs": self.request.xattrs,
            "sparse": self.request.sparse,
        }  # fmt: skip

    def _tool(self) -> Dict[str, str]:
        return {"collection": VERSION, "python": sys.version.split()[0], "compressor": self.codec.library()}

    def _walker(self, taken: Any = None) -> walk.Walker:
        avoid_folders, avoid_names = taken.avoid if taken else frozenset(), {}
        place = _place(state.state_dir())
        if place:
            avoid_folders = avoid_folders.union((place,))
        place = _place(self.dest.folder)
        if place:
            avoid_names[place] = self.dest.names()
        exclude = walk.exclusion(self.request.exclude)
        exclude = with_dumps.reserved(exclude) if self.dumps else exclude
        from_snapshots = {"devices": taken.devices, "grafts": taken.grafts} if taken else {}
        return walk.Walker(
            self.roots, exclude, self.request.one_file_system, avoid_folders, avoid_names, **from_snapshots
        )

    def _all_warnings(self) -> List[str]:
        found = list(self.warnings)
        walker = getattr(self, "walker", None)
        if walker is not None and walker.mounts:
            found.append(f"Other file systems were not entered (one_file_system): {walk.listed(walker.mounts)}.")
        if walker is not None and walker.marked:
            found.append(
                f"{len(walker.marked)} folders were left out for a marker file in them (evidence, or a restore's "
                f"scratch folder): {walk.listed(walker.marked, 20)}."
            )
        if walker is not None and walker.reserved:
            found.append(f"{shown(EMBEDDED_NAME)} was left out: the archive has its own manifest under that name.")
        if walker is not None and walker.avoided_inside:
            found.append(
                "dest lies inside paths: each run changes its folder, so each run makes a new archive. Exclude "
                f"{self.dest.folder}, or put dest elsewhere."
            )
        return found

    def _warn_of_links(self) -> None:
        for root in self.roots:
            full = os.path.join(root.folder, root.name)
            if os.path.islink(full):
                self.warnings.append(f"{shown(full)} is a symbolic link: the link is stored, not what it points to.")

    def _diff_text(self, result: Dict[str, Any]) -> Dict[str, str]:
        """For Ansible's diff mode: a line a path, `+` added, `~` changed, `-` removed."""
        lines = getattr(self, "changes", [])
        if result["changed"] and not lines:
            lines = [f"~ everything: {self.reason}"]
        after = "".join(line + "\n" for line in lines)
        return {"before_header": self.dest.archive, "after_header": "what is there now", "before": "", "after": after}

    def _elapsed(self) -> int:
        return int((time.monotonic() - self.clock) * 1000)


def _check(request: Request) -> None:
    if not request.name:
        raise UpkeepError("bad_parameter", "name: it is empty; give the backup a name.", option="name")
    if not request.paths and not request.dumps:
        raise UpkeepError("bad_parameter", "paths: nothing to back up was named.", option="paths")
    if request.threads is not None and not 1 <= request.threads <= 256:
        raise UpkeepError("bad_parameter", f"threads: {request.threads} is not between 1 and 256.", option="threads")


def _place(folder: str) -> Optional[Tuple[int, int]]:
    try:
        info = os.stat(folder)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _names(paths: List[bytes]) -> List[str]:
    """As a document lists them: a thousand at most, then how many more."""
    names = [shown(path) for path in paths[:MAX_LISTED]]
    more = len(paths) - MAX_LISTED
    return [*names, f"… and {more} more"] if more > 0 else names
