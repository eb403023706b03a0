# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.filter.archive_of import archive_of


@pytest.mark.parametrize(
    "backup_set, compression, archive",
    [
        ({"name": "etc"}, "auto", "archives/etc.tar.zst"),
        ({"name": "etc"}, "gz", "archives/etc.tar.gz"),
        ({"name": "etc", "compression": "none"}, "gz", "archives/etc.tar"),
        ({"name": "etc", "compression": None, "dest": ""}, "zst", "archives/etc.tar.zst"),
        ({"name": "etc", "dest": "/srv/x.tgz"}, "zst", "/srv/x.tgz"),
    ],
)
def test_archive_of(backup_set, compression, archive):
    assert archive_of(backup_set, "archives", compression) == archive
