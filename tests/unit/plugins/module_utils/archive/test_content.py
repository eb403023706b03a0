# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The data regions of a file that does not hold still between two questions."""

from __future__ import annotations

import os
import types

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import content

DATA, HOLE = os.SEEK_DATA, os.SEEK_HOLE
REGIONS = {
    "held still": ([(0, DATA, 0), (0, HOLE, 4096), (4096, DATA, None)], [(0, 4096)]),
    "data became a hole": ([(0, DATA, 0), (0, HOLE, 0), (0, DATA, 8192), (8192, HOLE, 9000)], [(8192, 808)]),
    "cut short": ([(0, DATA, 4096), (4096, HOLE, None)], [(4096, 4904)]),
    "grown": ([(0, DATA, 4096), (4096, HOLE, 20000)], [(4096, 4904)]),
    "nothing left": ([(0, DATA, None)], []),
}


@pytest.mark.parametrize("case", sorted(REGIONS))
def test_regions(case, monkeypatch, tmp_path):
    answers, expected = REGIONS[case]
    asked = iter(answers)

    def seek(fd, offset, whence):
        wanted_offset, wanted_whence, answer = next(asked)
        assert (offset, whence) == (wanted_offset, wanted_whence)
        return answer

    monkeypatch.setattr(content, "_seek", seek)
    (tmp_path / "file").write_bytes(b"")
    with (tmp_path / "file").open("rb") as stream:
        found = content.regions(stream.fileno(), types.SimpleNamespace(st_size=9000, st_blocks=1))
    assert found == expected and next(asked, None) is None
