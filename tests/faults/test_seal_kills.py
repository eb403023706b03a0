# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sealing that is killed before each of its steps on disk: the archive stays, and the next run finishes the work."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.sealing import seal

from tests.faults.dying import every_death


def test_a_seal_that_dies_anywhere_is_made_whole_by_the_next_run(back_up, memory):
    if not shutil.which("age"):
        pytest.skip("no age here")
    key = memory / "key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    archive = back_up()["data"]["archive"]
    before = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    request = seal.Request(archive, [public])
    deaths = 0
    for _number in every_death(lambda: seal.run(request)):
        deaths += 1
        assert hashlib.sha256(Path(archive).read_bytes()).hexdigest() == before
        mark = Path(archive + ".sealed", seal.MARK)
        assert not mark.exists() or not seal.run(request)["changed"]  # the mark is there: all of it is
        done = seal.run(request)["data"]
        assert sorted(os.listdir(archive + ".sealed")) == [
            "a.tar.gz.age", "a.tar.gz.manifest.jsonl.gz.age", "sealed.json",
        ]  # fmt: skip
        opened = subprocess.run(["age", "-d", "-i", key, done["archive"]], check=True, capture_output=True).stdout
        assert hashlib.sha256(opened).hexdigest() == before == done["archive_sha256"]
        seal.remove(archive)
    assert deaths > 5
