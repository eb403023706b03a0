# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who waits at a lock is told for whom."""

from __future__ import annotations

import os
import threading

from ansible_collections.proven.upkeep.plugins.plugin_utils import locks


def test_who_is_waited_for(tmp_path):
    told, asked, is_mine = [], threading.Event(), threading.Event()

    def waiting(holder):
        told.append(holder)
        asked.set()

    def other():
        with locks.exclusive(tmp_path / ".lock", waiting):
            is_mine.set()

    thread = threading.Thread(target=other)
    with locks.exclusive(tmp_path / ".lock", told.append):
        thread.start()
        assert asked.wait(20) and not is_mine.is_set()
    thread.join(20)
    assert is_mine.is_set() and len(told) == 1 and told[0].startswith(f"process {os.getpid()} since 2")
