# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that have no name."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic


@pytest.mark.parametrize("plain", [True, False])
def test_a_nameless_file_leaves_nothing(tmp_path, monkeypatch, plain):
    if not plain:  # a file system without such files
        true_open = os.open

        def refuse(path, flags, *mode):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return true_open(path, flags, *mode)

        monkeypatch.setattr(os, "open", refuse)
    with atomic.nameless(str(tmp_path)) as stream:
        stream.write(b"kept while it is open")
        stream.seek(0)
        assert stream.read() == b"kept while it is open"
        assert os.listdir(str(tmp_path)) == []
