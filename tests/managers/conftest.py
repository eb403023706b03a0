# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the managers' tests share."""

from __future__ import annotations

import shutil

import pytest

from tests.managers.rpms import Forge


@pytest.fixture(scope="session")
def forge(tmp_path_factory):
    """Builds rpms, each once for all tests."""
    missing = [tool for tool in ("rpmbuild", "createrepo_c") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} missing")
    return Forge(tmp_path_factory.mktemp("forge"))
