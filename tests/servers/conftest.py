# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests against real servers share. Each server's fixture is in a file of its own beside this one."""

from __future__ import annotations

import pytest

from tests.servers import databases, restics


@pytest.fixture(scope="session")
def postgres():
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def maria():
    with databases.maria() as server:
        yield server


@pytest.fixture(scope="session")
def redis():
    with databases.redis() as server:
        yield server


@pytest.fixture(scope="session")
def restic():
    return restics.program()


@pytest.fixture
def state(tmp_path, monkeypatch):
    """The state folder of the host-side code."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
