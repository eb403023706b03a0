# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SIGKILL while feeds are fetched, loaded and imported, and full disks: the index is the old one or the new one."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import bundle, load, registry
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.fetch import Fetcher, Settings
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index, writing
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Statement

from tests.feeds import DLA, DSA, server

from .dying import every_death

__all__ = ["server"]


def catalogue(size):
    """A tracker's file of that many vulnerabilities."""
    state = {"status": "open", "urgency": "low"}
    return json.dumps({"p": {f"CVE-2026-{n:05d}": {"releases": {"bookworm": state}} for n in range(size)}}).encode()


def serve(server, tracker, tag):
    files = {"debian/tracker.json": tracker, "debian/DSA.list": DSA.encode(), "debian/DLA.list": DLA.encode()}
    for name, content in files.items():
        server.gives("/" + name, (200, {"ETag": f'"{tag}{len(content)}"'}, content))


def update(memory, server):
    fetcher = Fetcher(memory / "cache", Settings(mirror=server.url, attempts=1))
    return load.update(memory / "advisories.db", registry.named(["debian"]), set(), fetcher, 0, lambda line: None)


def rows(path):
    with Index.open(path) as index:
        assert index.is_whole()
        return len(index.statements("debian:12", "p"))


def test_at_every_step_of_a_fetch(memory, server):
    serve(server, catalogue(3), "a")
    update(memory, server)
    tags = iter(range(1000))

    def action():
        update(memory, server)

    serve(server, catalogue(5), "b")
    for number in every_death(action):
        assert rows(memory / "advisories.db") in (3, 5), number
        serve(server, catalogue(3 if number % 2 else 5), f"c{next(tags)}")
    (outcome,) = update(memory, server)
    assert outcome.state in ("loaded", "unchanged")
    assert not list((memory / "cache").rglob("*.part"))


def dies(work, after=None):
    """Run `work` in a child; kill it after so many seconds."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [0, 1, 4_999, 5_001, 19_999])
def test_in_the_midst_of_a_load(memory, after):
    path = memory / "advisories.db"
    replace(path, 7)

    def many():
        for number in range(20_000):
            if number == after:
                os.kill(os.getpid(), signal.SIGKILL)
            yield Statement("debian:12", "p", "source", f"CVE-2026-{number:05d}", "affected")

    assert dies(lambda: replace(path, many()))
    assert rows(path) == 7
    replace(path, 9)
    assert rows(path) == 9


def replace(path, what):
    if isinstance(what, int):
        what = [Statement("debian:12", "p", "source", f"CVE-2026-{n:05d}", "affected") for n in range(what)]
    with Index.open(path, create=True) as index, index.replacing("debian", "Debian", ["debian"], 86400) as loading:
        loading.add(what)


def test_at_any_moment(memory):
    """Loads and imports one after another, killed wherever they happen to be."""
    path = memory / "advisories.db"
    replace(path, 2000)
    replace(memory / "other.db", 3000)
    bundle.export(memory / "other.db", memory / "x.tar.gz")

    def without_end():
        while True:
            replace(path, 4000)
            bundle.import_(memory / "x.tar.gz", path, force=True)

    for number in range(12):
        assert dies(without_end, after=0.02 + 0.017 * number)
        assert rows(path) in (2000, 3000, 4000)
    bundle.import_(memory / "x.tar.gz", path, force=True)
    assert rows(path) == 3000
    assert [name.name for name in memory.iterdir() if "import" in name.name] == []


@pytest.fixture
def disk(memory, mounted):
    """A disk of 4 MB, with an index of three rows on it."""
    (memory / "disk").mkdir()
    mounted(memory / "disk", "-t", "tmpfs", "-o", "size=4m", "tmpfs")
    replace(memory / "disk/advisories.db", 3)
    return memory / "disk"


def test_a_disk_that_is_full_for_the_file(disk, server):
    serve(server, catalogue(60_000), "b")
    (outcome,) = update(disk, server)
    assert outcome.state == "failed" and outcome.error_code == "cache_unwritable" and "No space left" in outcome.msg
    assert rows(disk / "advisories.db") == 3 and not list((disk / "cache").rglob("*.part"))


def test_a_disk_that_is_full_for_the_index(disk):
    with pytest.raises(UpkeepError) as caught, writing(disk / "advisories.db"):
        replace(disk / "advisories.db", 60_000)
    assert caught.value.code == "index_unwritable" and "full" in caught.value.message
    assert rows(disk / "advisories.db") == 3
    replace(disk / "advisories.db", 9)
    assert rows(disk / "advisories.db") == 9
