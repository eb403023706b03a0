# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check says, and how long it may take to say it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, List, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Answer:
    """`ok` is None for what could not be seen. `why` is half a sentence, for green ones too."""

    ok: Optional[bool]
    why: str
    duration_ms: int


def ask(question: Callable[[], Tuple[bool, str]], seconds: float) -> Answer:
    """The answer of `question`, which raises nothing, or red after `seconds`.

    In a thread that is left behind then: a name's resolution has no time limit of its own, and a server that sends a
    byte now and then passes every limit that counts from the last one.
    """
    said: List[Tuple[bool, str]] = []
    begun = time.monotonic()
    thread = threading.Thread(target=lambda: said.append(question()), daemon=True)
    thread.start()
    thread.join(seconds)
    ok, why = said[0] if said else (False, f"no answer within {seconds:g} seconds")
    return Answer(ok, why, since(begun))


def since(begun: float) -> int:
    """Milliseconds since `begun` (time.monotonic)."""
    return round((time.monotonic() - begun) * 1000)


def seconds_of(entry: Mapping[str, Any], default: int) -> int:
    """The `timeout` of an entry. ValueError."""
    value = entry.get("timeout")
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 3600:
        raise ValueError("has a timeout that is no number of seconds from 1 to 3600")
    return value


def only(entry: Any, keys: Tuple[str, ...]) -> Mapping[str, Any]:
    """`entry`, a dictionary that has no other keys. ValueError."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"has to be a dictionary with {', '.join(keys)}")
    unknown = sorted(set(map(str, entry)) - set(keys))
    if unknown:
        raise ValueError(f"has {unknown[0]}, which is none of {', '.join(keys)}")
    return entry
