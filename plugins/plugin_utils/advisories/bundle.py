# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The index as one file to carry: a tar.gz of `manifest.json` (docs/schemas/advisories.json) and the index itself."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION as COLLECTION

from .index import VERSION, Index, SourceState, writing

SCHEMA = "upkeep.advisories/1"
_MANIFEST, _INDEX = "manifest.json", "advisories.db"
_MANIFEST_LIMIT = 2**20
_BLOCK = 2**20
_DAMAGE = (EOFError, ValueError, KeyError, TypeError, AttributeError, tarfile.TarError, zlib.error)


def export(path: Path, target: Path) -> dict[str, Any]:
    """Write the index at `path` to `target` (a file, or a folder to put it in); {file, sha256, bytes, manifest}.

    Raises UpkeepError `index_missing`, `index_empty`, `bundle_unwritable` and what `Index.open` raises.
    """
    if target.is_dir():
        target = target / f"upkeep-advisories-{times.stamp(times.now())}.tar.gz"
    with Index.open(path) as index, _scratch(path, "export") as copy:
        sources = [source for source in index.sources() if source.fetched_at]
        if not sources:
            raise UpkeepError(
                "index_empty", f"The advisory index {path} holds no source yet: run the playbook advisories.yml first."
            )
        with writing(copy):
            index.copy_to(copy)
        manifest = {
            "schema": SCHEMA,
            "made": times.iso(times.now()),
            "collection": COLLECTION,
            "index_version": VERSION,
            "generation": index.generation,
            "sha256": _sha256(copy),
            "bytes": copy.stat().st_size,
            "sources": [_told(source) for source in sources],
        }
        return {"manifest": manifest, **_packed(copy, manifest, target)}


def import_(bundle: Path, path: Path, force: bool = False, check: bool = False) -> dict[str, Any]:
    """Take the sources of `bundle` into the index at `path`, in one transaction; {changed, manifest, sources}.

    A bundle that is older than what is there, in any source, is refused unless forced. Sources that it does not hold
    stay. `check`: only say what would be done. Raises UpkeepError `bundle_missing`, `bundle_damaged`,
    `bundle_version`, `bundle_older`.
    """
    atomic.make_folder(str(path.parent))
    with _scratch(path, "import") as copy:
        manifest = _unpacked(bundle, copy)
        with _theirs(bundle, copy) as theirs:
            arriving = [source for source in theirs.sources() if source.fetched_at]
        here = _here(path)
        older = [source for source in arriving if _heard(here.get(source.name)) > _heard(source)]
        if older and not force:
            told = ", ".join(f"{each.name} of {_heard(each)} (here {_heard(here[each.name])})" for each in older)
            raise UpkeepError(
                "bundle_older",
                f"{bundle} is older than what is here: {told}. Nothing was taken; export a newer one, or force it.",
                sources=[each.name for each in older],
            )
        taken = [source.name for source in arriving if here.get(source.name) != source]
        if taken and not check:
            with writing(path), Index.open(path, create=True) as index:
                index.adopt(copy, taken)
    return {"changed": bool(taken), "manifest": manifest, "sources": taken}


def _told(source: SourceState) -> dict[str, Any]:
    return {key: value for key, value in asdict(source).items() if key not in ("os_ids", "max_age")}


def _heard(source: SourceState | None) -> str:
    return (source.checked_at or source.fetched_at or "") if source else ""


@contextlib.contextmanager
def _scratch(path: Path, purpose: str) -> Iterator[Path]:
    """A place beside the index for a copy; what a killed run left there goes first."""
    place = path.with_name(f"{path.name}.{purpose}")
    leftovers = [place.with_name(place.name + suffix) for suffix in ("", "-wal", "-shm", "-journal")]
    for each in leftovers:
        each.unlink(missing_ok=True)
    try:
        yield place
    finally:
        for each in leftovers:
            each.unlink(missing_ok=True)


def _packed(copy: Path, manifest: dict[str, Any], target: Path) -> dict[str, Any]:
    part = target.with_name(target.name + ".part")
    told = json.dumps(manifest, indent=2).encode() + b"\n"
    try:
        atomic.make_folder(str(target.parent))
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as archive:
                _add(archive, _MANIFEST, io.BytesIO(told), len(told))
                with copy.open("rb") as content:
                    _add(archive, _INDEX, content, copy.stat().st_size)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, target)
        atomic.sync_folder(str(target.parent))
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UpkeepError(
            "bundle_unwritable",
            f"{target} cannot be written ({error.strerror}): make room, or choose another path.",
            path=str(target),
        )
    return {"file": str(target), "sha256": _sha256(target), "bytes": target.stat().st_size}


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], length: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = length, 0o600, int(times.now().timestamp())
    archive.addfile(entry, content)


def _unpacked(bundle: Path, copy: Path) -> dict[str, Any]:
    """The manifest; the index, whose hash is the manifest's, is then at `copy`."""
    if not bundle.is_file():
        raise UpkeepError("bundle_missing", f"There is no file {bundle}: name one that an export has written.")
    try:
        with gzip.open(bundle) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            manifest = json.loads(_member(archive, _MANIFEST, _MANIFEST_LIMIT).read())
            if manifest["schema"] != SCHEMA or manifest["index_version"] != VERSION:
                raise UpkeepError(
                    "bundle_version",
                    f"{bundle} holds an index of version {manifest['index_version']} ({manifest['schema']}, written by "
                    f"collection {manifest.get('collection')}), this collection reads version {VERSION} ({SCHEMA}): "
                    "export it anew with the same version of the collection.",
                )
            _write(_member(archive, _INDEX, manifest["bytes"]), copy, manifest["sha256"])
            while stream.read(_BLOCK):  # to the checksum at its end
                pass
    except OSError as error:
        if not error.errno:  # gzip's own
            raise _damaged(bundle, str(error))
        raise UpkeepError(
            "bundle_unusable",
            f"{bundle} cannot be unpacked to {copy} ({error.strerror}): make room, and look who may read it.",
        )
    except _DAMAGE as error:
        raise _damaged(bundle, " ".join(str(error).split()) or type(error).__name__)
    return manifest


def _member(archive: tarfile.TarFile, name: str, limit: int) -> IO[bytes]:
    entry = archive.next()
    content = archive.extractfile(entry) if entry is not None and entry.isreg() and entry.name == name else None
    if entry is None or content is None or entry.size > limit:
        raise ValueError(f"its {name} is missing or too large")
    return content


def _write(content: IO[bytes], copy: Path, expected: str) -> None:
    sha256 = hashlib.sha256()
    with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        while block := content.read(_BLOCK):
            sha256.update(block)
            stream.write(block)
    if sha256.hexdigest() != expected:
        raise ValueError("its index has not the hash that its manifest says")


@contextlib.contextmanager
def _theirs(bundle: Path, copy: Path) -> Iterator[Index]:
    try:
        theirs = Index.open(copy)
    except UpkeepError as error:
        raise _damaged(bundle, error.code)
    with theirs:
        # Nothing comes in with the file that this collection did not put there: no view, no trigger.
        if not theirs.is_whole():
            raise _damaged(bundle, "its index is not sound")
        yield theirs


def _here(path: Path) -> dict[str, SourceState]:
    if not path.exists():
        return {}
    with Index.open(path) as ours:
        return {source.name: source for source in ours.sources()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _damaged(bundle: Path, what: str) -> UpkeepError:
    return UpkeepError(
        "bundle_damaged",
        f"{bundle} is no whole export ({what}): copy or export it anew. Nothing was taken.",
        path=str(bundle),
    )
