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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times

from . import locks, names
from .documents import proof as rendering

_TEMPORARY = ".upkeep-tmp-"


@dataclass(frozen=True)
class Proof:
    """A proof as it was written: the JSON file's path, its document, and the text beside it."""

    path: Path
    document: dict[str, Any]
    text: str


@dataclass
class Chain:
    """What `verify_chain` found. Intact means no problem."""

    proofs: int = 0
    head: str | None = None
    problems: list[str] = field(default_factory=list)


def append(home: Path, document: dict[str, Any]) -> Proof:
    """Add a restore's `document` (upkeep.restore/1) to the chain. Waits for other writers; raises OSError."""
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
        content = (json.dumps(document, indent=2) + "\n").encode("ascii")
        text = rendering.text(document, path.name, _sha256(content))
        # The text first: a proof counts from the moment its JSON is there.
        _create(path.with_suffix(".txt"), text.encode("utf-8", "surrogateescape"))
        try:
            _create(path, content)
        except BaseException:
            path.with_suffix(".txt").unlink()
            raise
        atomic.sync_folder(str(folder))
        _write_head(home, folder, path)
    return Proof(path, document, text)


@dataclass(frozen=True)
class _Link:
    """What the chain needs of a proof: its digests, and what it says of the one before it."""

    sha256: str
    text_sha256: str | None
    previous: str | None
    previous_sha256: str | None
    previous_text_sha256: str | None


def verify_chain(home: Path) -> Chain:
    """Read every proof once and say what is lost, altered, doubled or out of the chain, one sentence each."""
    folder = home / "backups" / "proofs"
    chain = Chain()
    links: dict[str, _Link] = {}
    try:
        present = _names(folder)
    except OSError as error:
        chain.problems.append(f"backups/proofs: cannot be read ({error.strerror})")
        return chain
    for name in present:
        chain.proofs += 1
        link = _read_link(folder / name, chain)
        if link is not None:
            links[name] = link
    successors: dict[str | None, list[str]] = {}
    for name, link in links.items():
        successors.setdefault(link.previous, []).append(name)
        _verify_link(name, link, links, set(present), chain)
    for before, after in successors.items():
        if len(after) > 1:
            chain.problems.append(f"{' and '.join(after)}: all say that they follow {before or 'no proof'}")
    head = _read_head(home)
    chain.head = head["name"]
    if chain.head and chain.head not in present:
        chain.problems.append(f"{chain.head}: lost, it was the last one written")
    elif chain.head and (chain.head not in links or links[chain.head].sha256 != head["sha256"]):
        chain.problems.append(f"{chain.head}: altered, its sha256 is not the one it was written with")
    elif chain.proofs and not chain.head:
        chain.problems.append("state/proofs-head.json: lost, so a loss of the newest proofs would not show")
    return chain


def documents(home: Path) -> dict[str, dict[str, Any]]:
    """Every readable proof by its file's name. Raises OSError where the folder cannot be read."""
    folder = home / "backups" / "proofs"
    found = {}
    for name in _names(folder):
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((folder / name).read_bytes())
            if isinstance(document, dict):
                found[name] = document
    return found


def of_set(home: Path, host: str, name: str) -> list[dict[str, Any]]:
    """The readable proofs of one set, the newest first. Raises OSError where the folder cannot be read."""
    folder = home / "backups" / "proofs"
    form = re.compile(r"[^-]+" + re.escape(f"-{names.encode(host)}-{names.encode(name)}") + r"(?:\.(\d+))?\.json")
    found = []
    for matched in filter(None, map(form.fullmatch, _names(folder))):
        with contextlib.suppress(OSError, ValueError):
            document = json.loads((folder / matched.group()).read_bytes())
            if isinstance(document, dict) and (document.get("host"), document.get("backup")) == (host, name):
                found.append((str(document.get("finished")), int(matched.group(1) or 1), document))
    return [document for _finished, _number, document in sorted(found, key=lambda each: each[:2], reverse=True)]


def _names(folder: Path) -> list[str]:
    """The proofs in their order; temporaries of a killed writer are none."""
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except FileNotFoundError:
        return []


def _read_link(path: Path, chain: Chain) -> _Link | None:
    try:
        content = path.read_bytes()
        document = json.loads(content)
        before = (document["previous_proof"], document["previous_proof_sha256"], document["previous_text_sha256"])
        if not all(each is None or isinstance(each, str) for each in before):
            raise TypeError("no names of files and digests")
    except (OSError, ValueError, KeyError, TypeError):
        chain.problems.append(f"{path.name}: altered, it is no proof any more")
        return None
    sha256 = _sha256(content)
    return _Link(sha256, _verify_text(path.with_suffix(".txt"), path.name, sha256, chain), *before)


def _verify_text(text: Path, name: str, sha256: str, chain: Chain) -> str | None:
    try:
        content = text.read_bytes()
    except OSError:
        chain.problems.append(f"{text.name}: lost")
        return None
    if not rendering.is_intact(content.decode("utf-8", "surrogateescape"), sha256):
        chain.problems.append(f"{text.name}: altered, it does not end in its own sha256 and that of {name}")
    return _sha256(content)


def _verify_link(name: str, link: _Link, links: dict[str, _Link], present: set[str], chain: Chain) -> None:
    if link.previous is None:
        return
    if link.previous not in present:
        chain.problems.append(f"{link.previous}: lost, {name} follows it")
        return
    before = links.get(link.previous)
    if before is None:  # said already
        return
    if before.sha256 != link.previous_sha256:
        chain.problems.append(f"{link.previous}: altered, its sha256 is not the one that {name} names")
    if before.text_sha256 and before.text_sha256 != link.previous_text_sha256:
        text = link.previous.removesuffix(".json") + ".txt"
        chain.problems.append(f"{text}: altered, its sha256 is not the one that {name} names")


_NO_HEAD: dict[str, Any] = {"name": None, "sha256": None, "text_sha256": None, "proofs": 0}


def _read_head(home: Path) -> dict[str, Any]:
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
    head = _read_head(home)
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
