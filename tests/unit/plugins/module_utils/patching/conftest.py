# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A state folder of the test's own."""

from __future__ import annotations

import pytest


@pytest.fixture
def state_folder(tmp_path, monkeypatch):
    """Where the host remembers things."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
