# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading what a person wrote into a policy: each function gives the value, or says what is wrong and what is allowed.

Null and the empty text count as not given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any

Entry = Mapping[str, Any]

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,6})\s*([mhdw])")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Wrong(ValueError):
    """What is wrong with a value, as the rest of a sentence that begins with its place."""


def given(value: Any) -> bool:
    """Whether there is a value at all."""
    return value is not None and value != ""


def entry(value: Any, known: Sequence[str], required: Sequence[str] = ()) -> Entry:
    """A mapping with keys of `known` only, without what is not given. Raises Wrong."""
    if not isinstance(value, Mapping):
        raise Wrong(f"{value!r} is no entry with the keys {', '.join(known)}")
    strange = [str(key) for key in value if key not in known]
    if strange:
        raise Wrong(f"there is no key {', '.join(strange)}; there are {', '.join(known)}")
    filled = {key: each for key, each in value.items() if given(each)}
    missing = [key for key in required if key not in filled]
    if missing:
        raise Wrong(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    return filled


def text(value: Any, key: str) -> str:
    """A text (a number is taken as it is written). Raises Wrong."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip():
        raise Wrong(f"{key}: {value!r} is no text")
    return str(value).strip()


def texts(value: Any, key: str) -> tuple[str, ...]:
    """A list of texts; one text is a list of one. Raises Wrong."""
    if not given(value):
        return ()
    return tuple(text(each, key) for each in ([value] if isinstance(value, (str, int, float)) else _list(value, key)))


def choice(value: Any, key: str, allowed: Sequence[str]) -> str:
    """One of `allowed`. Raises Wrong."""
    if not isinstance(value, str) or value not in allowed:
        raise Wrong(f"{key}: {value!r} is none of {', '.join(allowed)}")
    return value


def choices(value: Any, key: str, allowed: Sequence[str]) -> frozenset[str]:
    """Some of `allowed`. Raises Wrong."""
    return frozenset(choice(each, key, allowed) for each in texts(value, key))


def truth(value: Any, key: str) -> bool:
    """True or false, as YAML and surveys write them. Raises Wrong."""
    found = value if isinstance(value, bool) else _TRUTH.get(str(value).strip().lower())
    if found is None:
        raise Wrong(f"{key}: {value!r} is neither true nor false")
    return found


def number(value: Any, key: str, least: int = 0) -> int:
    """A whole number from `least` on. Raises Wrong."""
    try:
        found = int(str(value).strip())
    except ValueError:
        found = least - 1
    if isinstance(value, bool) or found < least:
        raise Wrong(f"{key}: {value!r} is no whole number from {least} on")
    return found


def numbers(value: Any, key: str, allowed: Sequence[int]) -> frozenset[int]:
    """Some of `allowed`. Raises Wrong."""
    if not given(value):
        return frozenset()
    every = [value] if isinstance(value, (int, str)) else _list(value, key)
    found = frozenset(number(each, key, min(allowed)) for each in every)
    strange = sorted(found - set(allowed))
    if strange:
        raise Wrong(f"{key}: {strange[0]} is none of {', '.join(map(str, allowed))}")
    return found


def duration(value: Any, key: str) -> timedelta:
    """`30m`, `12h`, `3d`, `2w`. Raises Wrong."""
    match = _DURATION.fullmatch(str(value).strip().lower())
    if match is None and str(value).strip() != "0":
        raise Wrong(f"{key}: {value!r} is no duration; write 30m, 12h, 3d or 2w")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else timedelta(0)


def day(value: Any, key: str) -> date:
    """`2026-12-31`. Raises Wrong."""
    written = str(value).strip()
    try:
        if not _DAY.fullmatch(written):
            raise ValueError(written)
        return date.fromisoformat(written)
    except ValueError:
        raise Wrong(f"{key}: {value!r} is no day; write it as 2026-12-31") from None


def clock(value: Any, key: str) -> time:
    """`22:00`; `24:00` is midnight. Without quotes YAML reads 22:00 as a number of base 60, which is taken as well.

    Raises Wrong.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        hours, minutes = divmod(value, 60)
    else:
        match = _CLOCK.fullmatch(str(value).strip())
        hours, minutes = (int(match[1]), int(match[2])) if match else (99, 0)
    if (hours, minutes) == (24, 0):
        return time(0, 0)
    if not 0 <= hours <= 23 or minutes > 59:
        raise Wrong(f"{key}: {value!r} is no time of day; write it as '22:00'")
    return time(hours, minutes)


def _list(value: Any, key: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise Wrong(f"{key}: {value!r} is no list")
    return value
