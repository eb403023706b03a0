# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a damaged archive still gives back, as a few paths to name in a smaller restore."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Set

SHOWN = 20  # paths that a person can still paste
_LIMIT = 10_000  # candidates and damaged entries that are looked at; past that there is no small answer


def next_scope(
    expected: int, damaged: Set[bytes], blocks: List[int], names: Iterable[bytes]
) -> Optional[Dict[str, Any]]:
    """{"paths", "why", "intact"}: the largest parts of the archive without a damaged entry; None without damage.

    `names` are those in scope, in archive order; `expected` is how many. `paths` hold at most 20 names, which can stand
    in a list with commas, and `intact` is how many entries lie under them.
    """
    if not damaged:
        return None
    found = _parts(names, damaged) if len(damaged) <= _LIMIT else {}
    largest = sorted(found, key=lambda path: -found[path])[:SHOWN]
    intact = sum(found[path] for path in largest)
    why = f"{_damaged(len(damaged), expected)}{_in_blocks(blocks)}: "
    if largest:
        why += f"{_entries(intact)} under {len(largest)} of the paths without damage can be restored"
    else:
        why += "no part of it that could be named in a line is without damage"
    return {"paths": [path.decode("utf-8") for path in largest], "why": why, "intact": intact}


def _parts(names: Iterable[bytes], damaged: Set[bytes]) -> Dict[bytes, int]:
    """Topmost paths with nothing damaged at or below them: how many entries each holds."""
    spoiled = set(damaged)
    for path in damaged:
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            spoiled.add(path)
    found: Dict[bytes, int] = {}
    for name in names:
        top = _topmost(name, spoiled)
        if top in found:
            found[top] += 1
        elif top and len(found) < _LIMIT and _can_be_named(top):
            found[top] = 1
    return found


def _topmost(name: bytes, spoiled: Set[bytes]) -> bytes:
    """The shortest of the name and the folders above it that is not spoiled; empty where even the name itself is."""
    end = name.find(b"/")
    while end >= 0:
        if name[:end] not in spoiled:
            return name[:end]
        end = name.find(b"/", end + 1)
    return b"" if name in spoiled or name == b"." else name  # "." would name everything


def _can_be_named(path: bytes) -> bool:
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.isprintable() and "," not in text and text == text.strip()


def _damaged(number: int, of: int) -> str:
    if number > of:  # a leader out of scope, too
        return f"{number:,} entries are damaged"
    return f"{number:,} of {_entries(of)} {'is' if number == 1 else 'are'} damaged"


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def _in_blocks(blocks: List[int]) -> str:
    if not blocks:
        return ""
    if len(blocks) == 1:
        return f", all in block {blocks[0]}"
    named = ", ".join(map(str, blocks[:5]))
    return f", in {len(blocks)} blocks ({named}{', …' if len(blocks) > 5 else ''})"
