# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks that say who holds them, and what killed holders left behind."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import locks


def test_a_second_one_is_told_who_holds_it(tmp_path):
    lock = tmp_path / "x.lock"
    with locks.exclusive(lock, patience_s=0):
        with pytest.raises(UpkeepError) as caught, locks.exclusive(lock, patience_s=0.1):
            pass
        assert caught.value.code == "locked" and f"process {os.getpid()}" in caught.value.message
    with locks.exclusive(lock, patience_s=0):  # let go
        pass


def test_what_nobody_holds_is_swept(tmp_path):
    for name in ("killed", "running"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.tar").write_bytes(b"secret")
    (tmp_path / "killed.lock").touch()
    (tmp_path / "unlocked").mkdir()
    with locks.exclusive(tmp_path / "running.lock"):
        locks.sweep(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["running"]
    locks.sweep(tmp_path / "nowhere")
