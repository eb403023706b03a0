# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the chain of proofs whole? What is lost, altered, out of order or put in, one sentence each.

A proof names the digests of the one before it, so the chain holds itself up to its newest proof. What came after that
is only missed by what else names it: the note of the newest, each set's `last_restore.json`, and the run folders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import evidence, proofs
from .documents import proof as rendering

BLIND_SPOT = (
    "What this cannot notice: the newest proofs taken away together with everything that names them "
    "(state/proofs-head.json, last_restore.json, the run folders), and a chain written anew from some proof on without "
    "signatures (--require-signed notices that). Keep the sha256 of the newest proof where nobody who can write here "
    "can write."
)


@dataclass
class Chain:
    """What `verify` found. Intact means no problem; `order` are the proofs from the first to the last."""

    proofs: int = 0
    head: str | None = None
    head_sha256: str | None = None
    problems: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    sha256s: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Link:
    """What the chain needs of a proof: its digests, and what it says of itself and of the one before it."""

    sha256: str
    text_sha256: str | None
    previous: str | None
    previous_sha256: str | None
    previous_text_sha256: str | None
    signed: bool
    of: tuple[Any, ...]


def verify(home: Path, runs_too: bool = False) -> Chain:
    """Read every proof once. With `runs_too` also see that each drill in a run folder left its proof."""
    folder, chain = home / "backups" / "proofs", Chain()
    try:
        present = proofs.file_names(home)
    except OSError as error:
        chain.problems.append(f"backups/proofs: cannot be read ({error.strerror})")
        return chain
    links: dict[str, _Link] = {}
    for name in present:
        chain.proofs += 1
        link = _read_link(folder / name, chain)
        if link is not None:
            links[name] = link
    at = {link.sha256: name for name, link in links.items()}
    chain.sha256s = frozenset(at)
    for name, link in links.items():
        _verify_link(name, link, links, set(present), at, chain)
    _verify_head(home, links, set(present), chain)
    _verify_order(links, set(present), chain)
    _verify_signatures_there(folder, links, chain)
    known = {link.of for link in links.values()}
    chain.problems += [
        f"{where}: names a proof of {host} {name} that ended {finished}, which is lost"
        for where, (host, name, finished, run_id) in _named_elsewhere(home, runs_too)
        if (host, name, finished, run_id) not in known
    ]
    return chain


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
    sha256 = hashlib.sha256(content).hexdigest()
    text_sha256 = _verify_text(path.with_suffix(".txt"), path.name, sha256, chain)
    return _Link(sha256, text_sha256, *before, signed=document.get("signed") is True, of=_of(document))


def _of(document: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(str(document.get(key)) for key in ("host", "backup", "finished", "run_id"))


def _verify_text(text: Path, name: str, sha256: str, chain: Chain) -> str | None:
    try:
        content = text.read_bytes()
    except OSError:
        chain.problems.append(f"{text.name}: lost")
        return None
    words = content.decode("utf-8", "surrogateescape")
    if rendering.is_own(words) and not rendering.is_intact(words, sha256):
        chain.problems.append(f"{name}: altered, its sha256 is not the one that {text.name} names")
    elif not rendering.is_own(words):
        chain.problems.append(f"{text.name}: altered, it does not end in its own sha256 and that of {name}")
    return hashlib.sha256(content).hexdigest()


def _verify_link(
    name: str, link: _Link, links: Mapping[str, _Link], present: set[str], at: Mapping[str, str], chain: Chain
) -> None:
    """Whether what `link` says of its predecessor holds."""
    if link.previous is None:
        return
    moved = at.get(link.previous_sha256 or "")
    if moved not in (None, link.previous):
        chain.problems.append(f"{link.previous}: out of order, what {name} follows stands in {moved}")
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


def _verify_head(home: Path, links: Mapping[str, _Link], present: set[str], chain: Chain) -> None:
    """The newest proof against the note of it, which is all that tells of its loss."""
    head = proofs.read_head(home)
    chain.head, chain.head_sha256 = head["name"], head["sha256"]
    if chain.head and chain.head not in present:
        chain.problems.append(f"{chain.head}: lost, it was the last one written")
    elif chain.head and (chain.head not in links or links[chain.head].sha256 != head["sha256"]):
        chain.problems.append(f"{chain.head}: altered, its sha256 is not the one it was written with")
    elif chain.head and links[chain.head].text_sha256 not in (None, head["text_sha256"]):
        text = chain.head.removesuffix(".json") + ".txt"
        chain.problems.append(f"{text}: altered, its sha256 is not the one it was written with")
    elif chain.proofs and not chain.head:
        chain.problems.append("state/proofs-head.json: lost, so a loss of the newest proofs would not show")


def _verify_order(links: Mapping[str, _Link], present: set[str], chain: Chain) -> None:
    """Walk from the head to the first; who follows a proof beside the one that the walk came from was put in."""
    followers: dict[str | None, list[str]] = {}
    for name, link in links.items():
        followers.setdefault(link.previous, []).append(name)
    walked: list[str] = []
    step = chain.head
    while step is not None and step in links and step not in walked:
        walked.append(step)
        step = links[step].previous
    chain.order = walked[::-1]
    on_the_way = set(walked)
    for before, after in followers.items():
        others = [each for each in after if each not in on_the_way]
        if len(after) > len(others) and others:
            chain.problems += [f"{each}: put in, it says that it follows {before or 'no proof'}" for each in others]
        elif len(after) > 1:
            told = f"{' and '.join(after)}: all say that they follow {before or 'no proof'}"
            chain.problems.append(told)
        elif before is not None and before == chain.head:
            told = f"{after[0]}: not noted as the last one: put in, or its writer was killed (the next drill notes it)"
            chain.problems.append(told)


def _verify_signatures_there(folder: Path, links: Mapping[str, _Link], chain: Chain) -> None:
    """A proof says itself whether it was signed, so a signature that was taken away shows."""
    for name, link in links.items():
        files = (folder / name, (folder / name).with_suffix(".txt"))
        lost = [file.name for file in files if link.signed and not proofs.signature_of(file).exists()]
        chain.problems += [f"{each}.sig: lost, the proof says that it was signed" for each in lost]
        (chain.signed if link.signed else chain.unsigned).append(name)


def _named_elsewhere(home: Path, runs_too: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(where, (host, set, finished, run id)) of each drill that something outside the chain tells of."""
    for host, name in evidence.sets(home):
        folder = evidence.place(home, host, name)
        document = evidence.last_restore(folder)
        if document is not None:
            yield str((folder / "last_restore.json").relative_to(home)), _of(document)
    for path in sorted(home.glob("runs/*/hosts/*/restore_test*.json")) if runs_too else ():
        yield from _of_run(home, path)


def _of_run(home: Path, path: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    try:
        seen = json.loads(path.read_bytes())
        data = seen["data"] if isinstance(seen["data"], list) else [seen["data"]]
        for part, item in zip(seen["parts"], data):
            if not isinstance(item, dict) or "files_verified" not in item:
                continue
            told = {
                **item,
                "host": seen["host"],
                "backup": item.get("backup") or part["name"],
                "run_id": seen["run_id"],
            }
            if seen.get("clock_skew_s"):
                told["finished"] = seen["finished"]
            if not str(part.get("reason")).startswith("evidence_unwritten"):
                yield str(path.relative_to(home)), _of(told)
    except (OSError, ValueError, KeyError, TypeError):
        return
