# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

from ansible_collections.proven.upkeep.plugins.module_utils import state


def test_the_state_folder_is_the_users_own(monkeypatch):
    monkeypatch.delenv("UPKEEP_STATE_DIR", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state.state_dir() == "/var/lib/upkeep"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert state.state_dir() == "/home/me/state/upkeep"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert state.state_dir() == "/home/me/.local/state/upkeep"
    monkeypatch.setenv("UPKEEP_STATE_DIR", "/x")
    assert state.state_dir() == "/x"


def test_only_relative_paths_are_below_it(monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", "/x")
    assert state.under("archives/etc.tar.zst") == "/x/archives/etc.tar.zst"
    assert state.under("/srv/etc.tar.zst") == "/srv/etc.tar.zst"


def test_what_needs_root_says_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state.needs_root(False) is None
    assert state.needs_root(True).startswith("needs_root: ")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state.needs_root(True) is None


def test_a_folder_of_it_is_made_private(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "s"))
    assert os.stat(state.ensure("cache")).st_mode & 0o777 == 0o700
