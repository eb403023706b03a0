# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A web server whose answers a test decides, a mirror of small feeds, and a matcher over a small index."""

from __future__ import annotations

import pytest

from tests.advisories import matcher
from tests.feeds import FILES, server

__all__ = ["matcher", "server"]


@pytest.fixture
def mirror(tmp_path):
    """A folder with a file a feed; returns its path."""
    folder = tmp_path / "mirror"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
