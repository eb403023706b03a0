# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the state folder is, for root and others."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state


@pytest.mark.parametrize(
    "uid, xdg, expected",
    [
        (0, "/x", "/var/lib/upkeep"),
        (1000, "/x", "/x/upkeep"),
        (1000, "relative", "/home/me/.local/state/upkeep"),
        (1000, None, "/home/me/.local/state/upkeep"),
    ],
)
def test_state_dir(monkeypatch, uid, xdg, expected):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("HOME", "/home/me")
    if xdg is None:
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_STATE_HOME", xdg)
    assert state.state_dir() == expected


def test_folders_are_private(monkeypatch, tmp_path):
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "s"))
    assert os.stat(state.ensure("cache")).st_mode & 0o777 == 0o700
