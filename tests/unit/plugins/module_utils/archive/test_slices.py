# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive handed out piece by piece."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import slices
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.mark.parametrize("which", ["archive", "manifest"])
def test_the_pieces_are_the_file(tree, back_up, which):
    archive = back_up(tree)["data"]["archive"]
    path = Path(archive if which == "archive" else f"{archive}.manifest.jsonl.gz")
    content, stamps = b"", set()
    while len(content) < path.stat().st_size:
        piece = slices.read(archive, which, len(content), 1000)
        content += base64.b64decode(piece["content"])
        stamps.add(piece["stamp"])
    assert content == path.read_bytes() and len(stamps) == 1
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))
    assert slices.read(archive, which, 0, 0)["stamp"] not in stamps


def test_what_is_not_there_or_no_file(tmp_path):
    archive = str(tmp_path / "a.tar.gz")
    assert slices.read(archive, "manifest", 0, 10)["size"] is None
    for make, code in ((lambda: None, "archive_missing"), (lambda: os.mkfifo(archive), "archive_unreadable")):
        make()
        with pytest.raises(UpkeepError) as raised:
            slices.read(archive, "archive", 0, 10)
        assert raised.value.code == code
    for offset, length in ((-1, 1), (0, -1), (0, slices.LONGEST + 1)):
        with pytest.raises(UpkeepError, match="offset and length"):
            slices.read(archive, "archive", offset, length)
