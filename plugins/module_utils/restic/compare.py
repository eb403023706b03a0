# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies in a drill's scratch folder against the list that restic has of the snapshot.

The contents are not read again here: restic does that with `--verify`. This looks at what it does not: whether every
name of the list is there, and as what.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from . import snapshots

LIMIT = 1000
DUMPS = ".upkeep-dumps"  # the same as dumps.model.FOLDER
UNKNOWN = "�"  # what restic's list has for each byte of a name that is no UTF-8
_TYPES: Dict[str, Callable[[int], bool]] = {
    "file": stat.S_ISREG, "dir": stat.S_ISDIR, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO,
    "dev": stat.S_ISBLK, "chardev": stat.S_ISCHR,
}  # fmt: skip
_NEVER_RESTORED = ("socket", "irregular")
# The bits of Go's fs.FileMode that restic writes, and what they are here.
_SPECIAL = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))

Node = Dict[str, Any]


class Compared:
    """Counts and differences; lists hold a thousand names at most."""

    def __init__(self) -> None:
        self.expected = self.verified = self.files_expected = self.files_verified = self.bytes = self.count = 0
        self.missing: List[str] = []
        self.corrupt: List[str] = []
        self.metadata: List[Dict[str, Any]] = []
        self.extra: List[str] = []
        self.links: Dict[str, List[str]] = {}  # folder -> the names of the links in it
        self.dumps: Optional[str] = None  # where the dumps lie, below the scratch folder
        self.first = ""

    def differs(self, path: str, how: str, among: List[Any], item: Any) -> None:
        self.count += 1
        self.first = self.first or f"{path}: {how}"
        if len(among) < LIMIT:
            among.append(item)


def compare(nodes: Iterable[Node], scratch: str, paths: Sequence[str], owners: bool, marker: str) -> Compared:
    """`nodes` as `restic ls --json` gives them; only those at or below `paths`, where there are any. Raises OSError."""
    done = Compared()
    there = 0
    for node in nodes:
        if node["type"] in _NEVER_RESTORED or not in_scope(node["path"], paths):
            continue
        there += 1
        _one(done, node, scratch, owners)
    if not paths and sum(1 for _name in _walked(scratch, marker)) > there - len(done.missing):
        listed = {node["path"] for node in nodes}
        for name in _walked(scratch, marker):
            if name not in listed:
                done.differs(name, "it is not in the snapshot", done.extra, name)
    return done


def in_scope(path: str, paths: Sequence[str]) -> bool:
    return not paths or any(path == one or path.startswith(one.rstrip("/") + "/") for one in paths)


def _one(done: Compared, node: Node, scratch: str, owners: bool) -> None:
    path, kind = node["path"], node["type"]
    done.expected += 1
    done.files_expected += kind == "file"
    if kind == "dir" and node["name"] == DUMPS:
        done.dumps = path.lstrip("/")
    if kind == "symlink":
        done.links.setdefault(os.path.dirname(path), []).append(node["name"])
    try:
        info = os.lstat(on_disk(scratch, path))
    except (FileNotFoundError, NotADirectoryError):
        done.differs(path, "it was not restored", done.missing, path)
        return
    before = done.count
    if not _TYPES[kind](info.st_mode):
        done.differs(path, f"it is no {kind}", done.corrupt, path)
        return
    if kind == "file" and info.st_size != node.get("size", 0):
        how = f"it has {info.st_size} bytes, not {node.get('size', 0)}"
        done.differs(path, how, done.corrupt, path)
    for field, wanted, found in _fields(node, info, owners):
        if wanted != found:
            item = {"path": path, "field": field, "expected": wanted, "found": found}
            done.differs(path, f"its {field} is {found}, not {wanted}", done.metadata, item)
    if done.count == before:
        done.verified += 1
        done.files_verified += kind == "file"
        done.bytes += info.st_size if kind == "file" else 0


def _fields(node: Node, info: os.stat_result, owners: bool) -> Iterator[Tuple[str, Any, Any]]:
    if owners:
        yield "uid", node.get("uid", 0), info.st_uid
        yield "gid", node.get("gid", 0), info.st_gid
    if node["type"] != "symlink":
        yield "mode", f"{mode_of(node['mode']):04o}", f"{stat.S_IMODE(info.st_mode):04o}"
    yield "mtime_ns", snapshots.nanoseconds(node["mtime"]), info.st_mtime_ns


def mode_of(mode: int) -> int:
    """Permissions, setuid, setgid and sticky of a mode as Go writes it."""
    return (mode & 0o777) | sum(here for theirs, here in _SPECIAL if mode & theirs)


def pattern(path: str) -> str:
    """A path as a pattern that means just this path."""
    return "".join("\\" + letter if letter in "\\*?[" else letter for letter in path)


def on_disk(scratch: str, path: str) -> str:
    """Where a path of restic's list lies. A name that is no UTF-8 is found by what the list can show of it."""
    if UNKNOWN not in path:
        return scratch + path
    place = scratch
    for part in path.strip("/").split("/"):
        named = [part] if UNKNOWN not in part else [name for name in os.listdir(place) if shown(name) == part]
        place = os.path.join(place, (named or [part])[0])
    return place


def shown(name: str) -> str:
    """A file's name as restic's list has it."""
    return "".join(UNKNOWN if "\udc80" <= letter <= "\udcff" else letter for letter in name)


def _walked(scratch: str, marker: str) -> Iterator[str]:
    for folder, folders, files in os.walk(scratch):
        below = folder[len(scratch) :]
        for name in folders + files:
            if below or name != marker:
                yield shown(f"{below}/{name}")


def links(tree: Dict[str, Any], scratch: str, folder: str, done: Compared) -> None:
    """The targets of the links in a folder, of which `tree` is restic's own document (`restic cat tree`)."""
    for node in tree.get("nodes", []):
        if node.get("type") != "symlink" or "linktarget_raw" in node:
            continue
        path = os.path.join(folder, node["name"])
        try:
            found = shown(os.readlink(on_disk(scratch, path)))
        except OSError:
            continue  # told already: it is missing, or no link
        if found != node.get("linktarget"):
            item = {"path": path, "field": "target", "expected": node.get("linktarget"), "found": found}
            done.differs(path, f"it leads to {found}, not {node.get('linktarget')}", done.metadata, item)
            done.verified -= 1
