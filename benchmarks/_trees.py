# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The trees that are backed up: the same on every machine, since every choice comes from one seed.

Contents are slices of a pool of made-up text and of noise, which gzip brings to about 0.4 of their size, as it does a
system's files. The pool is larger than any compressor's window at the levels measured, so that no slice is found twice.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Dict, List, NamedTuple

SEED = 20260101
_POOL = 48 << 20
_NOISE_SHARE = 0.12  # of the files hold what cannot be compressed: pictures, archives, keys
_IN_A_FOLDER = 10
_LINK_EVERY = 40
NAMES = ("small", "large", "few", "million")


class Tree(NamedTuple):
    """`files` regular files and how many bytes they hold; `entries` has folders and links too. `one` is a small file
    in the middle of it."""

    path: Path
    files: int
    entries: int
    size: int
    one: str = ""


class Content:
    """Where the bytes come from."""

    def __init__(self) -> None:
        self.dice = random.Random(SEED)
        letters = "eeeeaaaiiooutttnnnsssrrrllddccmmppgghhbbfvkwxyz"
        words = ["".join(self.dice.choices(letters, k=self.dice.randint(2, 11))) for number in range(6000)]
        weights = [1 / (rank + 3) for rank in range(len(words))]
        text = bytearray()
        while len(text) < _POOL:
            line = " ".join(self.dice.choices(words, weights, k=60_000))
            text += line.replace(" a", "\n").replace(" e", " = ").encode("ascii")
        self._text = memoryview(bytes(text))
        self._noise = memoryview(self.dice.getrandbits(8 * (8 << 20)).to_bytes(8 << 20, "little"))

    def slice(self, size: int) -> memoryview:
        pool = self._noise if self.dice.random() < _NOISE_SHARE else self._text
        start = self.dice.randrange(max(1, len(pool) - size))
        return pool[start : start + size]


def small_files(path: Path, content: Content, count: int, median: int = 4096) -> Tree:
    """`count` files of log-normal size (the mean is three times the median), ten a folder, a symlink for each 40."""
    size, entries, one = 0, 0, ""
    for number in range(count):
        folder = path / f"part-{number // (_IN_A_FOLDER * 100):04}" / f"folder-{number // _IN_A_FOLDER % 100:02}"
        if number % _IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
            entries += 1
        data = content.slice(min(int(content.dice.lognormvariate(0, 1.5) * median), 4 << 20))
        (folder / f"file-{number:07}.conf").write_bytes(data)
        if number == count // 2:
            one = str((folder / f"file-{number:07}.conf").relative_to(path))
        if number % _LINK_EVERY == 0:
            (folder / f"link-{number:07}").symlink_to(f"file-{number:07}.conf")
            entries += 1
        size, entries = size + len(data), entries + 1
    return Tree(path, count, entries + -(-count // (_IN_A_FOLDER * 100)) + 1, size, one)


def one_large(path: Path, content: Content, size: int) -> Tree:
    """One file of `size` bytes and a small one beside it."""
    path.mkdir()
    with (path / "large.img").open("wb") as stream:
        left = size
        while left:
            left -= stream.write(content.slice(min(left, 1 << 20)))
    (path / "small.conf").write_bytes(content.slice(4096))
    return Tree(path, 2, 3, size + 4096, "small.conf")


def build(path: Path, names: List[str], files: int, large: int) -> Dict[str, Tree]:
    """The trees of these names below `path`, which is made."""
    content = Content()
    makers = {
        "small": lambda at: small_files(at, content, files),
        "large": lambda at: one_large(at, content, large),
        "few": lambda at: small_files(at, content, 200),
        "million": lambda at: small_files(at, content, 880_000, median=100),
    }
    path.mkdir()
    return {name: makers[name](path / name) for name in names}
