# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last answer of a package manager, good as long as none of the files that decide it has changed.

What a file is, is told by its status alone: the kernel moves ctime on with every change and lets nobody set it back, so
that an edit of the same size and mtime is seen. A file that changed so shortly before it was looked at that the clock's
next tick need not have come is doubtful, and so is an answer during which something changed: neither is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
import zlib
from typing import Any, Dict, Iterable, List, Optional

from .. import atomic, state
from ..version import VERSION

# File systems stamp with the kernel's tick (10 ms at most); those that keep whole seconds only are given two.
_TICK_NS, _WHOLE_SECONDS_NS = 50_000_000, 2_000_000_000
_SECOND_NS = 1_000_000_000
_LARGEST = 64 << 20

Fingerprint = Dict[str, Optional[List[int]]]
"""Path to (mode, owner, device, inode, size, mtime_ns, ctime_ns), or None where nothing is there."""


def fingerprint(paths: Iterable[str]) -> Fingerprint:
    """What lies at `paths`: folders with all that is in them, links with what they lead to. Raises OSError."""
    found: Fingerprint = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            found[path] = None
            continue
        found[path] = _facts(status)
        if stat.S_ISLNK(status.st_mode):
            waiting += [os.path.normpath(os.path.join(path, "..", os.readlink(path))), os.path.realpath(path)]
        elif stat.S_ISDIR(status.st_mode):
            with contextlib.suppress(PermissionError):  # whoever cannot look into it does not read from it either
                waiting += [os.path.join(path, name) for name in os.listdir(path)]
    return found


def settled(found: Fingerprint, now_ns: int) -> bool:
    """Whether a change from now on would show: nothing in `found` is so young that its stamp could stay the same."""
    return all(
        facts[-1] + (_TICK_NS if facts[-1] % _SECOND_NS else _WHOLE_SECONDS_NS) < now_ns
        for facts in found.values()
        if facts is not None
    )


def load(manager: str, question: Any) -> Optional[Dict[str, Any]]:
    """The `answer` that `keep` was given for this very question, if all is as it was then; None in any doubt."""
    try:
        handle = os.open(_place(manager), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as stream:
            status = os.fstat(handle)
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022 or status.st_size > _LARGEST:
                return None
            checksum, _newline, text = stream.read().partition(b"\n")
        if int(checksum, 16) != zlib.crc32(text):
            return None
        kept = json.loads(text)
        if kept["question"] != _full(question) or not kept["made"] <= time.time() < kept["good_until"]:
            return None
        answer: Dict[str, Any] = kept["answer"]
        return answer if kept["inputs"] == fingerprint(kept["paths"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(
    manager: str, question: Any, answer: Dict[str, Any], paths: List[str], inputs: Fingerprint, good_until: float
) -> None:
    """Keep an answer. `inputs`: the fingerprint of `paths` during its making. Where it cannot be written, it is not."""
    kept = {
        "question": _full(question),
        "made": time.time(),
        "good_until": good_until,
        "paths": paths,
        "inputs": inputs,
        "answer": answer,
    }
    text = json.dumps(kept, separators=(",", ":")).encode("ascii")
    with contextlib.suppress(OSError):
        state.ensure("patch_level")
        atomic.write_bytes(_place(manager), b"%08x\n%s" % (zlib.crc32(text), text))


def _facts(status: os.stat_result) -> List[int]:
    return [
        status.st_mode,
        status.st_uid,
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    ]


def _full(question: Any) -> List[Any]:
    """A question with what else an answer depends on besides files."""
    return [VERSION, os.geteuid(), os.environ.get("APT_CONFIG"), os.environ.get("PATH"), question]


def _place(manager: str) -> str:
    return os.path.join(state.state_dir(), "patch_level", f"last-{manager}.json")
