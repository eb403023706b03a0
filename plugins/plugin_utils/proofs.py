# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The chain of restore proofs in `backups/proofs/`: append-only, each naming the sha256 of the one before it.

A proof is a JSON document and its text. The JSON names its predecessor's file and the sha256 of the predecessor's JSON
and text, so a lost or altered proof shows. The chain does not stop someone who can rewrite all of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import locks, names
from .documents import proof as rendering

_TEMPORARY = ".upkeep-tmp-"


@dataclass(frozen=True)
class Proof:
    """A proof as it was written: the JSON file's path, its document, and the text beside it.

    `unsigned_because` is why it has no signature although one was asked for.
    """

    path: Path
    document: dict[str, Any]
    text: str
    unsigned_because: UpkeepError | None = None


# Content to its signature; raises UpkeepError.
Signer = Callable[[bytes], bytes]


def append(home: Path, document: dict[str, Any], sign: Signer | None = None) -> Proof:
    """Add a restore's `document` (upkeep.restore/1) to the chain. Waits for other writers; raises OSError.

    With `sign`, a signature lands beside its JSON and its text. A proof that cannot be signed is written all the same.
    """
    folder = home / "backups" / "proofs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locks.exclusive(home / "state" / "proofs.lock"):
        _sweep(folder)
        previous = _head(home, folder)
        document = {
            **document,
            "previous_proof": previous["name"],
            "previous_proof_sha256": previous["sha256"],
            "previous_text_sha256": previous["text_sha256"],
        }
        path = _free_path(folder, document)
        files, failure = _files(path, {**document, "signed": sign is not None}, sign)
        written: list[Path] = []
        try:
            for file, content in files.items():
                _create(file, content)
                written.append(file)
        except BaseException:
            for file in written:
                file.unlink()
            raise
        atomic.sync_folder(str(folder))
        _write_head(home, folder, path)
    content, text = files[path], files[path.with_suffix(".txt")]
    return Proof(path, json.loads(content), text.decode("utf-8", "surrogateescape"), failure)


def _files(path: Path, document: dict[str, Any], sign: Signer | None) -> tuple[dict[Path, bytes], UpkeepError | None]:
    """What to write, in this order: a proof counts from the moment its JSON is there, so that comes last."""
    content = as_written(document)
    text = rendering.text(document, path.name, _sha256(content)).encode("utf-8", "surrogateescape")
    signatures: dict[Path, bytes] = {}
    try:
        for file, signed in ((path.with_suffix(".txt"), text), (path, content)) if sign else ():
            signatures[signature_of(file)] = sign(signed) if sign else b""
    except UpkeepError as error:
        return _files(path, {**document, "signed": False}, None)[0], error
    return {path.with_suffix(".txt"): text, **signatures, path: content}, None


def as_written(document: dict[str, Any]) -> bytes:
    """A proof's document as its file holds it."""
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def signature_of(file: Path) -> Path:
    """Where the signature of a proof's JSON or text lies."""
    return file.with_name(f"{file.name}.sig")


def documents(home: Path) -> dict[str, dict[str, Any]]:
    """Every readable proof by its file's name. Raises OSError where the folder cannot be read."""
    return {name: found for name in file_names(home) if (found := document(home, name)) is not None}


def of_set(home: Path, host: str, name: str) -> list[dict[str, Any]]:
    """The readable proofs of one set, the newest first. Raises OSError where the folder cannot be read."""
    form = re.compile(r"[^-]+" + re.escape(f"-{names.encode(host)}-{names.encode(name)}") + r"(?:\.(\d+))?\.json")
    found = []
    for matched in filter(None, map(form.fullmatch, file_names(home))):
        proof = document(home, matched.group())
        if proof is not None and (proof.get("host"), proof.get("backup")) == (host, name):
            found.append((str(proof.get("finished")), int(matched.group(1) or 1), proof))
    return [proof for _finished, _number, proof in sorted(found, key=lambda each: each[:2], reverse=True)]


def document(home: Path, name: str) -> dict[str, Any] | None:
    """The proof in the file of that name, or None where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((home / "backups" / "proofs" / name).read_bytes())
        return found if isinstance(found, dict) else None
    return None


def file_names(home: Path) -> list[str]:
    """The proofs by name; temporaries of a killed writer are none. Raises OSError."""
    try:
        return sorted(name for name in os.listdir(home / "backups" / "proofs") if name.endswith(".json"))
    except FileNotFoundError:
        return []


_NO_HEAD: dict[str, Any] = {"name": None, "sha256": None, "text_sha256": None, "proofs": 0}


def read_head(home: Path) -> dict[str, Any]:
    """The note of the newest proof: `{"name", "sha256", "text_sha256", "proofs"}`, each null where there is none."""
    try:
        return {**_NO_HEAD, **json.loads((home / "state" / "proofs-head.json").read_bytes())}
    except (OSError, ValueError, TypeError):
        return dict(_NO_HEAD)


def _write_head(home: Path, folder: Path, path: Path) -> None:
    text_sha256 = _file_sha256(path.with_suffix(".txt"))
    document = {"name": path.name, "sha256": _file_sha256(path), "text_sha256": text_sha256, "proofs": _count(folder)}
    atomic.write_json(str(home / "state" / "proofs-head.json"), document)


def _head(home: Path, folder: Path) -> dict[str, Any]:
    """What the next proof follows: the head as noted, unless a writer was killed between its proof and the note."""
    head = read_head(home)
    if _count(folder) == head["proofs"]:
        return head
    links = {}
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            links[json.loads(path.read_bytes()).get("previous_proof")] = path
    tip = None
    name, passed = head["name"], set()
    while name in links and name not in passed:
        passed.add(name)
        tip = links[name]
        name = tip.name
    if tip is None:
        return head
    return {"name": tip.name, "sha256": _file_sha256(tip), "text_sha256": _file_sha256(tip.with_suffix(".txt"))}


def _count(folder: Path) -> int:
    return sum(1 for name in os.listdir(folder) if name.endswith(".json"))


def _free_path(folder: Path, document: dict[str, Any]) -> Path:
    stem = f"{_stamp(document)}-{names.encode(document['host'])}-{names.encode(document['backup'])}"
    path, n = folder / f"{stem}.json", 1
    while path.exists() or path.with_suffix(".txt").exists():
        n += 1
        path = folder / f"{stem}.{n}.json"
    return path


def _stamp(document: dict[str, Any]) -> str:
    try:
        return times.stamp(times.parse(document["finished"]))
    except (KeyError, TypeError, ValueError):
        return times.stamp(times.now())


def _create(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet: it is there whole or not at all. Raises OSError."""
    handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)  # unlike a rename it replaces nothing
    finally:
        os.unlink(temporary)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left; the lock is held, so none of it is being written."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_sha256(path: Path) -> str | None:
    try:
        return _sha256(path.read_bytes())
    except OSError:
        return None
