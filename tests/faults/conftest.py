# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fixtures that run playbooks in a clone, those that keep evidence, and a small tree with its archive in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore

from tests.support import clone, clone_at, dies, refuses, small_set
from tests.unit.plugins.plugin_utils.conftest import home_fixture, observe, open_run, record, samples

__all__ = [
    "clone", "clone_at", "dies", "home_fixture", "observe", "open_run", "record", "refuses", "samples", "small_set",
]  # fmt: skip


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A folder in memory where there is one: hundreds of runs, and nothing here depends on a disk's fsync. The state
    folder lies in it too."""
    fast = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)
    folder = Path(tempfile.mkdtemp(prefix="upkeep-faults-", dir=fast))
    monkeypatch.setattr(state, "state_dir", lambda: str(folder / "state"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_tree(memory):
    """A file in a folder, a file with two names, a link, a FIFO, a block of noise."""
    top = memory / "tree"
    (top / "sub").mkdir(parents=True)
    (top / "note").write_text("first")
    (top / "sub" / "file").write_text("content")
    (top / "sub" / "noise").write_bytes(os.urandom(5000))
    os.link(top / "note", top / "sub" / "zz")
    os.symlink("note", top / "link")
    os.mkfifo(top / "fifo")
    return top


@pytest.fixture
def back_up(memory, small_tree):
    """back_up(**parameters) -> backup.run's result for the small tree and `out/a.tar.gz`."""

    def run(**parameters):
        dest = parameters.pop("dest", memory / "out" / "a.tar.gz")
        return backup.run(backup.Request("set", ["."], str(dest), root=str(small_tree), threads=1, **parameters))

    return run


@pytest.fixture
def drilled():
    """drilled(archive, **parameters) -> the document of a restore test."""

    def run(archive, **parameters):
        return restore.run(restore.Request(str(archive), threads=1, **parameters)).document

    return run


@pytest.fixture
def mounted():
    """mounted(path, *options): mount there, with these options of mount(8); all gone at the end."""
    places = []

    def mount(path, *options):
        path.mkdir(exist_ok=True)
        command = ["mount", *options, str(path)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root, where the kernel lets it, can mount a file system of its own")
        places.append(path)
        return path

    yield mount
    for path in reversed(places):
        subprocess.run(["umount", "-l", str(path)], check=True)
