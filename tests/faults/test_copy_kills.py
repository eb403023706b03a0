# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy run that is killed before each of its steps: what is there counts only whole, and the next run ends it."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import files, places, run
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies.mounted import Mounted
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from tests.faults.dying import every_death

WANTED = run.Wanted("web1", "etc", "disk", {"last": 1})


def _vault(home, created, content):
    folder = index.place(home, "web1", "etc")
    folder.mkdir(parents=True, exist_ok=True)
    name = created.replace("-", "").replace(":", "") + ".tar.gz"
    (folder / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    one = index.Vaulted("web1", "etc", created, created, name, len(content), sha256, sha256)
    index.add(folder, one)


@pytest.mark.parametrize("append_only", [False, True])
def test_killed_at_any_step(tmp_path, append_only):
    home, disk = tmp_path / "home", tmp_path / "disk"
    _vault(home, "2026-11-22T09:00:00Z", b"old" * 1000)
    store = Mounted(disk, append_only)
    run.run(places.vault(home), places.vault(home).path, store, WANTED)
    shutil.copytree(disk, tmp_path / "before")
    _vault(home, "2026-11-23T09:00:00Z", b"new" * (1 << 20))

    def work():
        return run.run(places.vault(home), places.vault(home).path, store, WANTED)

    deaths = 0
    for number in every_death(work):
        deaths = number + 1
        there = files.there(store, "web1", "etc")
        assert there.entries, "the last archive is gone"
        for one in there.entries:
            assert hashlib.sha256((disk / "web1/etc" / one.archive).read_bytes()).hexdigest() == one.sha256
        assert work()["created"] == "2026-11-23T09:00:00Z"
        shutil.rmtree(disk)
        shutil.copytree(tmp_path / "before", disk)
    assert deaths > 2
