# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every entry of an archive against its manifest, as the tar stream goes by; an extractor can listen in."""

from __future__ import annotations

import hashlib
import os
import stat as stat_module
from types import ModuleType
from typing import Any, Callable, NamedTuple, Optional, Set

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import codecs, embedded, manifest
from ._pool import Pool
from ._tarheader import header, span, stored_size
from ._wanted import Wanted
from .content import SparseHash, sha256_from_start
from .destination import belongs, pending_manifest, still_named
from .findings import CANNOT_TELL, Findings
from .manifest import BESIDE, Manifest
from .model import EMBEDDED_NAME, FILE, Entry, padding, shown
from .reader import BlockReader, DamagedBlock
from .scope import Selection


class Archive(NamedTuple):
    """An archive and the manifest it is held against, both open."""

    path: str
    fd: int
    codec: ModuleType
    manifest: Manifest

    def close(self) -> None:
        _close(self.fd, self.manifest.fd)
        if self.manifest.spool is not None:
            self.manifest.spool.close()


Listener = Callable[[Entry], Any]


def open_archive(
    path: str, manifest_path: Optional[str], findings: Findings, wanted: Optional[Wanted] = None
) -> Archive:
    """The archive with the manifest beside it, or else with the one inside it (then `findings` says so).

    With `wanted` the manifest gives these entries alone, where it can.
    Raises UpkeepError: archive_missing, archive_unreadable, manifest_missing (only one that was asked for),
    manifest_damaged, compression_unavailable.
    """
    fd, codec, beside, manifest_fd = _pair(path, manifest_path)
    try:
        if manifest_fd >= 0:
            return Archive(path, fd, codec, manifest.load(beside, wanted=wanted, fd=manifest_fd))
        known = embedded.find(path, codec)
        why = "is missing; the copy inside the archive was used"
        findings.left_out("the manifest beside the archive", f"{beside} {why}")
        findings.left_out("the archive file's own hash", "only the manifest beside the archive has it")
        return Archive(path, fd, codec, known)
    except BaseException:
        _close(fd, manifest_fd)
        raise


def _pair(path: str, manifest_path: Optional[str]) -> tuple:
    """(descriptor, codec, path of its manifest, descriptor or -1 where there is none) of an archive and its manifest at
    one moment: a backup replaces first the one, then the other."""
    while True:
        fd, codec = _open(path)
        try:
            beside, manifest_fd = _beside(path, manifest_path)
        except BaseException:
            os.close(fd)
            raise
        if manifest_path or still_named(fd, path):
            return fd, codec, beside, manifest_fd
        _close(fd, manifest_fd)


def _beside(path: str, given: Optional[str]) -> tuple:
    if given:
        return given, manifest.open_file(given)
    beside, pending = path + manifest.SUFFIX, pending_manifest(path)
    if os.path.lexists(pending) and belongs(pending, path):
        beside = pending  # a backup was killed between its two renames: this is the archive's true manifest
    return beside, manifest.open_file(beside) if os.path.lexists(beside) else -1


def _close(*descriptors: int) -> None:
    for fd in descriptors:
        if fd >= 0:
            os.close(fd)


def _open(path: str) -> tuple:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UpkeepError("archive_missing", f"archive: there is no file {path}.", archive=path)
    except OSError as error:
        raise UpkeepError("archive_unreadable", f"archive: {path} cannot be opened ({error.strerror}).", archive=path)
    try:
        if not stat_module.S_ISREG(os.fstat(fd).st_mode):
            raise UpkeepError("archive_unreadable", f"archive: {path} is not a regular file.", archive=path)
        codec = _codec(path, os.pread(fd, 512, 0))
        if codec.unavailable():
            message = f"archive: {path} cannot be read on this host: {codec.unavailable()}."
            raise UpkeepError("compression_unavailable", message, archive=path)
    except BaseException:
        os.close(fd)
        raise
    return fd, codec


def _codec(path: str, first: bytes) -> ModuleType:
    """By the first bytes; where those are damaged, the name still says what it was meant to be."""
    try:
        return codecs.recognise(first)
    except ValueError as error:
        by_name = [codec for codec in codecs.CODECS.values() if codecs.split_suffix(path)[1] in codec.suffixes]
        if by_name and os.path.exists(path + manifest.SUFFIX):
            return by_name[0]
        raise UpkeepError("archive_unreadable", f"archive: {path} is not an archive: {error}.", archive=path)


def verify(
    archive: Archive,
    selection: Selection,
    threads: int,
    findings: Findings,
    listener: Optional[Listener] = None,
    whole_file: bool = True,
    doubt: str = "",
) -> None:
    """Check the archive against its manifest and fill `findings`.

    For each stored entry of the selection that is intact so far, `listener(entry)` (a stand-in under its new name) may
    return an object whose `write(bytes)` gets a file's stored content, and whose `done(ok)` is called at its end.
    `doubt` is what `quick.prove` answered, where that was tried before. Without `whole_file` the archive file is not
    hashed: only the blocks that hold the selection are read.
    Raises UpkeepError `manifest_damaged`, and what the listener raises.
    """
    if selection.everything and listener is None and whole_file and not doubt:
        from . import quick  # pylint: disable=import-outside-toplevel  # a restore has no use for it

        doubt = quick.prove(archive.fd, archive.codec, archive.manifest, threads, findings)
        if not doubt:
            return
    hasher = Pool(1)
    try:
        whole = hasher.submit(sha256_from_start, archive.fd) if whole_file else None
        wanted = None if selection.everything else _wanted_blocks(archive.manifest, selection)
        reader = BlockReader(archive.fd, archive.codec, archive.manifest.index, threads, wanted)
        reader.keep_hash_at(archive.manifest.closing["tar_bytes"])
        try:
            _entries(archive.manifest, selection, reader, findings, listener)
            if wanted is None:
                different = embedded.difference(archive.manifest, reader)
                if different is not None:
                    findings.damaged_entry(EMBEDDED_NAME, *different)
            reader.drain()
            _stream_hashes(archive, reader, findings, wanted is None)
        finally:
            reader.close()
        findings.archive_sha256 = whole.result() if whole is not None else None
    finally:
        hasher.close()
    _judge(archive, reader, findings, wanted is None)
    if doubt and doubt != CANNOT_TELL and not findings.failures:
        why = f"a first reading found that {doubt}, a second one nothing: suspect the disk or the memory"
        findings.fail("archive_damaged", f"{archive.path} does not read the same twice: {why}.")


def _stored(known: Manifest) -> Any:
    """(entry, header, where the next one must begin) for each stored entry; they follow each other without a gap, which
    is not to be seen where only some are kept."""
    end, some = 0, known.kept is not None
    for entry in known.entries():
        if entry.offset is None:
            yield entry, b"", end
            continue
        if entry.offset != end and not (some and entry.offset > end):
            raise manifest.damaged(known.path, f"{shown(entry.path)} does not begin where the entry before it ends")
        try:
            head = header(entry)
        except (ValueError, OverflowError) as error:
            raise manifest.damaged(known.path, f"{shown(entry.path)} cannot stand in a tar ({error})")
        end = entry.offset + span(entry, len(head))
        yield entry, head, end
    if end != known.closing["tar_bytes"] and not (some and end < known.closing["tar_bytes"]):
        raise manifest.damaged(known.path, "its entries end elsewhere than it says")


def _wanted_blocks(known: Manifest, selection: Selection) -> bytearray:
    wanted = bytearray(len(known.index))
    for entry, _head, end in _stored(known):
        if entry.offset is not None and selection.needs(entry):
            first, last = known.index.holding(entry.offset), known.index.holding(end - 1)
            wanted[first : last + 1] = b"\1" * (last + 1 - first)
    return wanted


def _entries(known: Manifest, selection: Selection, reader: BlockReader, findings: Findings, listener: Any) -> None:
    leaders: Set[bytes] = set()  # those out of scope, as far as their content was proven
    for entry, head, _end in _stored(known):
        wanted = entry in selection
        if entry.offset is None:
            if wanted:
                findings.not_stored(entry)
            continue
        if not wanted and not selection.needs(entry):
            findings.total += 1
            continue
        findings.met(entry, wanted)
        if not _one(entry, head, known, selection, leaders, reader, findings, listener):
            continue
        findings.intact(entry, wanted)
        if not wanted:
            leaders.add(entry.path)
    if known.kept is not None:
        findings.total = known.stored  # what was not kept counts too, or a part would pass for more than it is
    if selection.missing:
        names = ", ".join(shown(path) for path in selection.missing[:3])
        more = f" and {len(selection.missing) - 3} more" if len(selection.missing) > 3 else ""
        findings.fail("path_missing", f"paths: {names}{more}: the archive holds nothing of that name.")


def _one(entry, head, known, selection, leaders, reader, findings, listener) -> bool:
    """Check one entry, and hand it to the listener; whether it is what was archived."""
    reader.seek(entry.offset)
    target, number = None, known.index.holding(entry.offset)
    why: str = ""
    try:
        if reader.read(len(head)) != head:
            findings.damaged_entry(entry.path, number, "its header differs")
            return False
        if entry.leader in findings.damaged_paths:
            why = f"the file that it is another name of, {shown(entry.leader)}, is damaged"
            number = None
        elif entry.leader in selection.stand_ins and entry.leader not in leaders:
            why = f"the file that it is another name of, {shown(entry.leader)}, is not in the archive"
            number = None
        else:
            if listener is not None:
                target = listener(_renamed(entry, selection))
            why = _content(entry, reader, target)
    except DamagedBlock as error:
        why, number = str(error), error.number
    except EOFError:
        why, number = "the archive ends before it", None
    except OSError:
        if target is not None:
            target.done(False)  # a file held open keeps its room on a full disk
        raise
    if why:
        findings.damaged_entry(entry.path, number, why)
    if target is not None:
        target.done(not why)
    return not why


def _renamed(entry: Entry, selection: Selection) -> Entry:
    """The entry under the name that it is restored by."""
    name = selection.stand_ins.get(entry.path)
    return entry if name is None else entry.but(path=name)


def _content(entry: Entry, reader: BlockReader, target: Any) -> str:
    """Read, hash, and hand on one entry's content; what is wrong with it, or an empty string."""
    if entry.type != FILE:
        return ""
    size = stored_size(entry)
    if entry.sparse is None:
        if size <= 65536:
            data = reader.read(size)
            if target is not None and data:
                target.write(data)
            digest = hashlib.sha256(data).hexdigest()
        else:
            sha = hashlib.sha256()
            for piece in reader.pieces(size):
                sha.update(piece)
                if target is not None:
                    target.write(piece)
            digest = sha.hexdigest()
    else:
        sparse = SparseHash(entry.size, entry.sparse)
        for offset, length in entry.sparse:
            sparse.region(offset, length)
            for piece in reader.pieces(length):
                sparse.update(piece)
                if target is not None:
                    target.write(piece)
        digest = sparse.hexdigest()
    if digest != entry.sha256:
        return "its content differs: the hash is not the manifest's"
    if reader.read(padding(size)).strip(b"\0"):
        return "something stands in the padding behind it"
    return ""


def _stream_hashes(archive: Archive, reader: BlockReader, findings: Findings, all_read: bool) -> None:
    if not all_read:
        findings.left_out("the hash of the whole tar stream", "only a part of the archive was in scope")
        return
    closing, found = archive.manifest.closing, reader.sha256(archive.manifest.closing["tar_bytes"])
    pairs = [(found, closing["tar_sha256"])]
    if archive.manifest.kind == BESIDE:
        pairs.append((reader.sha256(), closing["stream_sha256"]))
    if any(seen is not None and seen != expected for seen, expected in pairs):
        findings.fail("archive_damaged", f"{archive.path}: the hash of its tar stream is not the manifest's.")


def _judge(archive: Archive, reader: BlockReader, findings: Findings, all_read: bool) -> None:
    """Turn what was seen into failures: another archive's manifest, or damage, with its place."""
    known, closing = archive.manifest, archive.manifest.closing
    findings.damaged_blocks = sorted(reader.damaged)
    hashed = findings.archive_sha256 is not None
    differs = known.kind == BESIDE and hashed and findings.archive_sha256 != closing["archive_sha256"]
    if (differs or findings.damaged) and _is_of_another(archive):
        findings.failures.insert(0, (
            "manifest_mismatch",
            f"manifest: {known.path} is not the manifest of {archive.path}, which is whole and has another one inside. "
            "Name the right manifest, or move the wrong one away to use the one inside.",
        ))  # fmt: skip
        return
    if findings.damaged:
        first = findings.damage[0]
        more = f", and {findings.damaged - 1} more entries are damaged" if findings.damaged > 1 else ""
        where = (
            first.why if first.block is None or first.why.startswith("block") else f"{first.why} (block {first.block})"
        )
        findings.failures.insert(0, (
            "archive_damaged",
            f"{archive.path}: entry {shown(first.path)} is damaged: {where}{more}. {findings.verified} of "
            f"{findings.expected} entries are intact.",
        ))  # fmt: skip
    elif reader.damaged:
        first_block = reader.damaged[min(reader.damaged)]
        findings.failures.insert(0, ("archive_damaged", f"{archive.path}: {first_block}."))
    elif differs and not all_read:
        message = f"{archive.path}: it is damaged outside the scope of this test. What was in scope is intact."
        findings.failures.insert(0, ("archive_damaged", message))
    elif differs:
        findings.failures.insert(0, ("archive_damaged", f"{archive.path}: {_where(archive)}; its blocks are intact."))


def _is_of_another(archive: Archive) -> bool:
    """Is the archive sound by its own manifest, and is that another one?"""
    if archive.manifest.kind != BESIDE:
        return False
    try:
        inside = embedded.find(archive.path, archive.codec)
    except UpkeepError:
        return False
    inside.spool.close()
    return inside.embedded_sha256 != archive.manifest.embedded_sha256


def _where(archive: Archive) -> str:
    """Which part outside the blocks is damaged."""
    size, meant = os.fstat(archive.fd).st_size, archive.manifest.closing["archive_bytes"]
    if size != meant:
        return f"it has {size} bytes, {meant} were written"
    head = archive.codec.header()
    if os.pread(archive.fd, len(head), 0) != head:
        return f"the header in its first {len(head)} bytes is damaged"
    return f"the trailer behind byte {archive.manifest.index.stored_end} is damaged"
