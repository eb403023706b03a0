# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last backup of the same dest: does it still lie there as it was left, and does the tree still look the same?"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, state
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import _unchanged, cache, codecs, compare, embedded, manifest
from .content import sha256_of
from .destination import Destination, belongs
from .merge import merge
from .metadata import Links
from .model import FILE, SOCKET, STABLE, Entry
from .walk import Node, Walker

SCHEMA = "upkeep.archive_cache/1"
ADDED, CHANGED, REMOVED = "+", "~", "-"


class Previous(NamedTuple):
    """A usable last backup: what it reported, its manifest's path, and the cache's records where they are usable."""

    document: Dict[str, Any]
    manifest: str
    records_path: Optional[str] = None
    token: bytes = b""

    @contextlib.contextmanager
    def records(self) -> Iterator[Optional[cache.Records]]:
        """The cache's records from their start, or None."""
        if self.records_path is None:
            yield None
            return
        try:
            stream = open(self.records_path, "rb")  # noqa: PTH123, SIM115
        except OSError:
            yield None
            return
        with stream:
            try:
                records: Optional[cache.Records] = cache.Records(stream, self.token)
            except ValueError:
                records = None
            yield records


def paths_for(dest: Destination, name: str) -> Tuple[str, str]:
    """(record, cache) files of this backup in the state folder."""
    slug = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:40]
    key = hashlib.sha256(os.fsencode(name + "\0" + dest.archive)).hexdigest()[:16]
    base = os.path.join(state.state_dir(), "cache", f"{slug}-{key}")
    return base + ".json", base + ".paths"


def find(dest: Destination, name: str, parameters: Dict[str, Any]) -> Tuple[Optional[Previous], str]:
    """(the last backup, "") or (None, why a new archive is needed whatever the tree looks like)."""
    if not os.path.isfile(dest.archive):
        return None, "there is no archive yet"
    if not os.path.isfile(dest.manifest):
        return None, "the manifest beside the archive is missing"
    record_path, cache_path = paths_for(dest, name)
    record = _read_json(record_path)
    if record is not None and record.get("parameters") == parameters:
        as_left = _as_left(dest.archive, record["archive"]) and _as_left(dest.manifest, record["manifest"])
        if as_left:
            token = record["token"].encode("ascii")
            return Previous(record["document"], dest.manifest, cache_path, token), ""
        return None, "the archive or its manifest is not as the last backup left it"
    return _from_manifest(dest, parameters)


def is_whole(dest: Destination, name: str) -> bool:
    """Does the archive lie at dest as the last backup left it, or else as the manifest beside it describes it?"""
    record = _read_json(paths_for(dest, name)[0])
    if record is not None and all(_as_left(getattr(dest, what), record[what]) for what in ("archive", "manifest")):
        return True
    return belongs(dest.manifest, dest.archive)


def refuse_another(dest: Destination, name: str) -> None:
    """UpkeepError `dest_of_another_set` when the archive at dest is another backup's, by either of its manifests.

    What cannot be read as an archive of ours belongs to nobody.
    """
    if not os.path.isfile(dest.archive):
        return
    try:
        owner = manifest.backup_of(dest.manifest)
    except (UpkeepError, OSError):
        try:
            owner = _owner_inside(dest.archive)
        except (UpkeepError, ValueError, OSError):
            return
    if owner != name:
        raise UpkeepError(
            "dest_of_another_set",
            f"dest: {dest.archive} is the archive of the backup {owner}, not of {name}; nothing was replaced. Choose "
            "another dest, or set force once if the backup was renamed.",
            path=dest.archive,
            backup=owner,
        )


def _owner_inside(archive: str) -> str:
    with open(archive, "rb") as stream:  # noqa: PTH123
        codec = codecs.recognise(stream.read(512))
    if codec.unavailable():
        raise ValueError(codec.unavailable())
    found = embedded.find(archive, codec)
    found.spool.close()
    return found.header["backup"]


def _from_manifest(dest: Destination, parameters: Dict[str, Any]) -> Tuple[Optional[Previous], str]:
    """Without a record: the manifest says what was backed up and how, the archive's hash whether it is whole."""
    try:
        known = manifest.load(dest.manifest)
        document = known.closing["document"]
        if known.closing["parameters"] != parameters:
            return None, "its parameters changed"
        if known.closing["archive_sha256"] != _hash(dest.archive):
            return None, "the archive is not the one that its manifest describes"
    except (UpkeepError, KeyError, OSError):
        return None, "the manifest beside the archive cannot be used"
    return Previous(document, dest.manifest), ""


def remember(
    dest: Destination, name: str, parameters: Dict[str, Any], document: Dict[str, Any], recorder: cache.Recorder
) -> None:
    """Keep what the next run needs: the record, and what `recorder` wrote. Raises OSError.

    Only under the lock on `dest`: what lies there must be what `document` describes.
    """
    if recorder.error is not None or recorder.stream is None:
        raise recorder.error or OSError("there is none")
    record_path, cache_path = paths_for(dest, name)
    state.ensure("cache")
    recorder.stream.seek(0)
    import glob  # pylint: disable=import-outside-toplevel  # only behind a written backup
    import shutil  # pylint: disable=import-outside-toplevel
    import tempfile  # pylint: disable=import-outside-toplevel

    for left in glob.glob(glob.escape(cache_path) + ".*.tmp"):  # of a killed run: under the lock there is no other
        os.unlink(left)
    fd, temporary = tempfile.mkstemp(".tmp", os.path.basename(cache_path) + ".", os.path.dirname(cache_path))
    try:
        with os.fdopen(fd, "wb") as target:
            shutil.copyfileobj(recorder.stream, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        os.rename(temporary, cache_path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    record = {
        "schema": SCHEMA,
        "token": recorder.token.decode("ascii"),
        "parameters": parameters,
        "archive": dict(_lies(dest.archive), sha256=document["sha256"]),
        "manifest": dict(_lies(dest.manifest), sha256=_hash(dest.manifest)),
        "document": document,
    }
    atomic.write_json(record_path, record)


def same_tree(previous: Previous, walker: Walker) -> bool:
    """The quick answer, by the cache alone: True is certain, False means that it takes a closer look."""
    return previous.records_path is not None and _unchanged.same(previous.records_path, previous.token, walker)


def differences(
    previous: Previous, walker: Walker, with_xattrs: bool, also: Optional[Callable[..., Any]] = None
) -> Iterator[Tuple[str, bytes]]:
    """What differs between the last archive and the live tree, as (`+`, `~` or `-`, path) in archive order.

    Hashes every file that the cache does not vouch for. `also` sees each chunk too (to record a new cache).
    Raises UpkeepError `manifest_damaged`.
    """
    links = Links()
    with previous.records() as records:

        def on_chunk(key: bytes, names: List[bytes], stats: list, own: Any) -> Any:
            if also is not None:
                also(key, names, stats, own)
            return cache.known_names(records, key, names, stats, own)

        entries = (e for e in manifest.load(previous.manifest).entries() if e.offset is not None or e.type == SOCKET)
        for node, entry in merge(walker.nodes(on_chunk), entries):
            if entry is None:
                yield ADDED, node.path
            elif node is None:
                yield REMOVED, entry.path
            elif not _same(node, entry, links, with_xattrs):
                yield CHANGED, entry.path


def _same(node: Node, entry: Entry, links: Links, with_xattrs: bool) -> bool:
    leader = links.meet(node)
    if node.error is not None or entry.state != STABLE:
        return False
    if node.trusted:
        return True
    try:
        live = compare.look(node, with_xattrs, leader)
        if compare.metadata(node, entry, live):
            return False
        return live.type != FILE or compare.same_content(node, entry)
    except OSError:
        return False


def _lies(path: str) -> Dict[str, Any]:
    info = os.stat(path, follow_symlinks=False)
    return {"size": info.st_size, "mtime_ns": info.st_mtime_ns, "ino": info.st_ino}


def _as_left(path: str, was: Dict[str, Any]) -> bool:
    """The same file by size and mtime, or else by its hash."""
    try:
        now = _lies(path)
        return all(now[key] == was[key] for key in now) or (now["size"] == was["size"] and _hash(path) == was["sha256"])
    except (OSError, KeyError):
        return False


def _hash(path: str) -> str:
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
        return sha256_of(stream.fileno())


def _read_json(path: str) -> Optional[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            document = json.load(stream)
        complete = isinstance(document, dict) and document.get("schema") == SCHEMA and "token" in document
        return document if complete and "archive" in document and "manifest" in document else None
    except (OSError, ValueError):
        return None
