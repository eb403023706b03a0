# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives that come and go by the rules, and a restore of the one that was right."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from upkeep import restore

NOW = datetime(2099, 1, 1, tzinfo=timezone.utc)


def of_set(clone):
    """What the last backup of the set recorded."""
    return [each for each in clone.observations() if (each["phase"], each["host"]) == ("backup", "one")][-1]["data"][0]


@pytest.mark.once
def test_kept_pruned_and_restored_by_time(clone, small_set, tmp_path):
    data = Path(small_set[1]["paths"][0])
    settings = {
        "backup_sets": small_set, "backup_keep": {"yearly": 2}, "gate_enforce": False,
        "restore_test_folder": str(tmp_path / "scratch"),
    }  # fmt: skip
    inventory = clone.inventory({"one": {}}, **settings)

    def back_up(content, **more):
        (data / "file").write_text(content)
        (clone.path / "playbooks/own.yml").write_text(f"# {content}")
        return clone.run("playbooks/backup.yml", inventory=inventory, **more)

    assert back_up("first\n").rc == 0
    assert of_set(clone)["history"]["archives"] == 0
    assert clone.run("playbooks/restore_test.yml", inventory=inventory).rc == 0
    first = clone.json("backups/hosts/one/data/last_restore.json")["archive_sha256"]
    # The rules keep the newest of the year; the first stays because it is the last that was verified.
    ran = back_up("second\n")
    assert ran.rc == 0 and "older removed" not in ran.stdout, ran.stdout
    assert [one["sha256"] for one in of_set(clone)["history"]["newest"]] == [first]
    ran = back_up("third\n")
    assert ran.rc == 0 and "1 older removed" in ran.stdout, ran.stdout
    document = of_set(clone)
    assert (document["pruned"]["removed_count"], document["pruned"]["status"]) == (1, "ok")
    assert [one["sha256"] for one in document["history"]["newest"]] == [first]
    own = clone.json("backups/last_success.json")
    assert (own["pruned"]["removed_count"], own["history"]["archives"]) == (1, 1)
    assert len(list(clone.path.glob("backups/workflows_backup.history/*.tar.gz"))) == 1
    clone.validate_documents()
    rows = restore.rows(clone.path, "one", NOW)
    assert [row[6] for row in rows] == ["no: of an older archive", "yes"]
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)

    # Retention stops when the backup fails: nothing of what is there goes, whatever the rules.
    small_set[1]["paths"].append(str(tmp_path / "gone"))
    (Path(inventory) / "group_vars/all.json").write_text(json.dumps({**settings, "backup_keep": {"last": 1}}))
    ran = back_up("fourth\n")
    assert ran.rc != 0 and "path_missing" in ran.stdout
    assert all(Path(row[7]).is_file() for row in rows)

    told = {"target": "one", "restore_set": "data", "restore_overwrite": "always"}
    ran = clone.run("playbooks/restore.yml", inventory=inventory, restore_at=rows[-1][2], **told)
    assert ran.rc == 0 and f"as of {rows[-1][2]}" in ran.stdout, ran.stdout
    assert (data / "file").read_text() == "first\n"


@pytest.mark.once
def test_retention_that_fails_is_told_and_the_backup_counts(clone, small_set):
    data = Path(small_set[1]["paths"][0])
    inventory = clone.inventory({"one": {}}, backup_sets=small_set, backup_keep={"yearly": 2}, gate_enforce=False)
    assert clone.run("playbooks/backup.yml", inventory=inventory).rc == 0
    before = clone.json("backups/hosts/one/data/last_success.json")
    module = clone.path / "plugins/modules/backup_prune.py"
    module.write_text(
        module.read_text().replace("def main() -> None:", "def main() -> None:\n    raise OSError('no')\n")
    )
    (data / "file").write_text("second\n")
    ran = clone.run("playbooks/backup.yml", inventory=inventory)
    assert ran.rc != 0 and "INCOMPLETE  retention_failed: module_failed: " in ran.stdout, ran.stdout
    after = clone.json("backups/hosts/one/data/last_success.json")
    assert after["sha256"] != before["sha256"] and after["pruned"]["status"] == "failed"
    (recorded,) = [each for each in clone.observations() if each["host"] == "one" and each["status"] != "ok"]
    assert recorded["status"] == "incomplete" and recorded["phase"] == "backup"
    clone.validate_documents()
