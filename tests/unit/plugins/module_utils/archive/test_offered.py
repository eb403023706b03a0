# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host says that it has for a vault."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import offered
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.fixture
def taken(tmp_path, back_up):
    (tmp_path / "top").mkdir()
    (tmp_path / "top/file").write_text("content")
    return back_up(tmp_path / "top")["data"]


def test_the_archive_by_its_manifest(taken):
    found = offered.look(taken["archive"], taken["backup"])
    for key in ("archive", "sha256", "bytes", "files", "created"):
        assert found[key] == taken[key]
    assert taken["archive"].endswith(found["suffix"]) and found["suffix"].startswith(".tar")
    content = Path(found["manifest"]).read_bytes()
    assert (found["manifest_bytes"], found["manifest_sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert found["machine"]["nodename"] == os.uname().nodename


def test_whether_its_encrypted_form_lies_there(taken):
    assert offered.look(taken["archive"], taken["backup"])["is_sealed"] is False
    os.mkdir(taken["archive"] + ".sealed")
    assert offered.look(taken["archive"], taken["backup"])["is_sealed"] is True


def test_a_manifest_of_a_known_archive_is_not_hashed(taken):
    assert offered.look(taken["archive"], taken["backup"], [taken["sha256"]])["manifest_sha256"] is None


@pytest.mark.parametrize(
    ("harm", "code"),
    [("gone", "archive_missing"), ("cut", "archive_incomplete"), ("no manifest", "archive_incomplete"),
     ("other name", "wrong_backup")],
)  # fmt: skip
def test_what_cannot_be_offered(taken, harm, code):
    archive, name = Path(taken["archive"]), taken["backup"]
    if harm == "gone":
        archive.unlink()
    elif harm == "cut":
        os.truncate(archive, taken["bytes"] - 1)
    elif harm == "no manifest":
        Path(taken["manifest"]).unlink()
    else:
        name = "another"
    with pytest.raises(UpkeepError) as raised:
        offered.look(str(archive), name)
    assert raised.value.code == code
