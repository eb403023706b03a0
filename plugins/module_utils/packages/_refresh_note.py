# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the last refresh of ours failed at, kept on the host: the next run, which refreshes nothing, still says so."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from .. import atomic, state
from ._files import read_text

# `user@` or `user:password@`; of a malformed one the password may have slashes and more signs of its kind.
_SECRET = re.compile(r"://(?:[^/@\s:]+:[^\s'\"|]*|[^/@\s]+)@")
# libzypp takes a password for a port where a user's name is missing its host, and shows it.
_PORT = re.compile(r"(Invalid port component) ['\"]?[^\s'\"]*['\"]?")


@dataclass(frozen=True)
class Failures:
    """What a refresh said: sentences about all of it, and what it said of single repositories, by id or name."""

    general: List[str]
    repositories: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refresh:
    """The outcome of a refresh: `failures` are sentences, empty when all went well."""

    changed: bool
    failures: List[str]


def write(manager: str, root: str, failures: List[str]) -> None:
    """Only a memory: where it cannot be written, the next run knows less, and this one is none the worse."""
    with contextlib.suppress(OSError):
        atomic.write_json(path(manager, root), {"made": time.time(), "failures": failures})


def remembered(manager: str, root: str, refreshed_at: Optional[float]) -> List[str]:
    """Those failures, unless something refreshed everything since."""
    try:
        note = json.loads(read_text(path(manager, root)))
    except (OSError, ValueError):
        return []
    if not isinstance(note, dict) or not isinstance(note.get("failures"), list):
        return []
    made = note.get("made")
    if refreshed_at is not None and isinstance(made, (int, float)) and refreshed_at > made:
        return []
    return [str(line) for line in note["failures"]]


def path(manager: str, root: str) -> str:
    """Where the note lies: one for each root."""
    digest = hashlib.sha256(f"{manager} {os.path.abspath(root)}".encode()).hexdigest()[:12]
    return os.path.join(state.state_dir(), "patch_level", f"refresh-{manager}-{digest}.json")


def without_secrets(text: str) -> str:
    """`text` without the user and password of any URI in it, malformed ones among them."""
    return _PORT.sub(r"\1", _SECRET.sub("://", text))
