# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Room for apt's cache."""

from __future__ import annotations

import os
import types

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_view


@pytest.mark.parametrize(
    "pkgcache, blocks, has_room",
    [("/var/cache/apt/pkgcache.bin", 1 << 20, True), ("/var/cache/apt/pkgcache.bin", 10, False), ("", 0, True)],
)
def test_room_for_the_cache(pkgcache, blocks, has_room, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda folder: types.SimpleNamespace(f_bavail=blocks, f_frsize=4096))
    assert _apt_view.has_cache_room(pkgcache) is has_room


def test_a_folder_that_is_not_there_is_apts_business(tmp_path):
    assert _apt_view.has_cache_room(str(tmp_path / "nosuch" / "pkgcache.bin"))
