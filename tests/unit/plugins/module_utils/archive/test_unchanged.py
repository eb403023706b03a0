# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An unchanged tree is seen as such by several processes as by one, and so is each change in any span of it."""

from __future__ import annotations

import os
import pathlib
import random

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import _unchanged, cache, walk


@pytest.fixture
def top(tmp_path, monkeypatch):
    """Folders of all depths and widths below three roots, with what is left out among them."""
    monkeypatch.setattr(cache, "_FRESH_NS", 0)
    monkeypatch.setattr(walk, "CHUNK", 7)
    dice = random.Random(5)
    folders = [tmp_path / name for name in ("a", "a.b", "b")]
    for folder in folders:
        folder.mkdir()
    for number in range(60):
        folder = dice.choice(folders) / f"f{number}"
        folder.mkdir()
        folders.append(folder)
        for name in range(dice.choice([0, 1, 3, 20])):
            (folder / f"{name}.{dice.choice(['conf', 'tmp'])}").write_bytes(b"x" * name)
        if dice.random() < 0.1:
            (folder / ".upkeep-evidence").touch()
    return tmp_path


@pytest.fixture
def ask(top, tmp_path_factory, monkeypatch):
    """ask(parts): (is the tree as it was when first asked, what the walk noted), by that many processes."""
    path = tmp_path_factory.mktemp("cache") / "records"

    def walker():
        roots = walk.find_roots([str(top / name) for name in ("a", "a.b", "b")], None)
        return walk.Walker(roots, walk.exclusion(["*.tmp"]))

    with path.open("w+b") as stream:
        recorder = cache.Recorder(stream)
        for _node in walker().nodes(recorder):
            pass
    token = recorder.token

    def run(parts):
        monkeypatch.setattr(_unchanged, "usable_cpus", lambda: parts)
        monkeypatch.setattr(_unchanged, "_MOST", parts)
        asked = walker()
        same = _unchanged.same(str(path), token, asked)
        return same, asked.counters()

    monkeypatch.setattr(_unchanged, "_WORTH_IT", 256)
    run.spans = lambda parts: _unchanged._spans(str(path), token, parts)
    return run


@pytest.mark.parametrize("parts", [2, 3, 7, 16])
def test_many_see_what_one_sees(ask, parts):
    same, noted = ask(1)
    assert same and noted[0] > 10 and noted[1]
    assert ask(parts) == (same, noted)
    assert len(ask.spans(parts)) > parts / 2


CHANGES = {
    "a file more": lambda folder: (folder / "new").touch(),
    "a folder gone": lambda folder: os.rename(str(folder), str(folder) + "-gone"),
    "another time": lambda folder: os.utime(str(folder), ns=(5, 5)),
    "no folder any more": lambda folder: (os.rename(str(folder), f"{folder}.x"), folder.touch()),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("span", [0, 1, 2])
def test_a_change_in_any_span_is_seen(ask, top, change, span):
    """At the very folder where a span begins; the first one's is the first root."""
    assert ask(3)[0]
    since = ask.spans(3)[span].since
    CHANGES[change](
        pathlib.Path("/" + os.fsdecode(since)) if since else top / "a" / sorted(os.listdir(str(top / "a")))[0]
    )
    assert not ask(3)[0] and not ask(1)[0]


def test_a_process_that_dies_leaves_it_open(ask, monkeypatch):
    monkeypatch.setattr(_unchanged, "_same", lambda *_given: os._exit(0))
    assert not ask(3)[0]
