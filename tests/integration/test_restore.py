# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's data destroyed and brought back by the playbook; and a restore that is told too little."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def listing(top: Path) -> str:
    """As `find` and `sha256sum` see it."""
    look = "find . -printf '%p %y %m %U:%G %T@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort"
    return subprocess.run(["sh", "-c", look], cwd=top, capture_output=True, text=True, check=True).stdout


@pytest.mark.once
def test_destroyed_and_brought_back(clone, small_set, tmp_path):
    data = Path(small_set[1]["paths"][0])
    (data / "deep").mkdir(mode=0o2750)
    (data / "deep" / "link").symlink_to("../file")
    inventory = clone.inventory({"one": {}, "two": {}}, backup_sets=small_set, gate_enforce=False)
    ran = clone.run("playbooks/backup.yml", inventory=inventory)
    assert ran.rc == 0, ran.stdout
    before = listing(data)
    shutil.rmtree(data)

    # Told too little, or too much: nothing is done, on any host.
    data_of = {"restore_set": "data"}
    for told in ({}, {"target": "all", **data_of}, {"target": "one"}, {"target": "on", **data_of}):
        ran = clone.run("playbooks/restore.yml", inventory=inventory, **told)
        assert ran.rc != 0 and "Nothing was done" in ran.stdout
        assert not [task for task in ran.tasks("ok") if task["task"] == "Restore the set"]
    assert not data.exists()

    told = {"target": "one", "restore_set": "data"}
    ran = clone.run("playbooks/restore.yml", inventory=inventory, cmdline="--check --diff", **told)
    assert ran.rc == 0, ran.stdout
    assert "would be: 4 created" in ran.stdout and f"+{str(data)[1:]}/file file" in ran.stdout
    assert not data.exists() and not list(clone.path.glob("runs/*/hosts/*/restore*"))

    ran = clone.run("playbooks/restore.yml", inventory=inventory, **told)
    assert ran.rc == 0, ran.stdout
    assert "4 created" in ran.stdout and "RECAP" in ran.stdout
    assert listing(data) == before
    recorded = [each for each in clone.observations() if each["phase"] == "restore"]
    assert [(each["host"], each["status"]) for each in recorded] == [("one", "ok")]

    (data / "file").write_text("edited since")
    ran = clone.run("playbooks/restore.yml", inventory=inventory, **told, restore_paths=f"{data}/file,{data}/deep")
    assert ran.rc != 0 and "newer here" in ran.stdout
    assert [each["status"] for each in clone.observations() if each["phase"] == "restore"] == ["ok", "incomplete"]
    assert (data / "file").read_text() == "edited since"
    ran = clone.run("playbooks/restore.yml", inventory=inventory, **told, restore_dest=str(tmp_path / "beside"))
    assert ran.rc == 0 and (tmp_path / "beside" / str(data)[1:] / "file").read_text() == "worth keeping\n"
