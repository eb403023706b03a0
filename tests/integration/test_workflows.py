# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation's own backup and its drill, as `make backup-workflows` and `make restore-test` run them."""

from __future__ import annotations

import json

import pytest

BACKUP = {"playbook": "playbooks/backup.yml", "backup_only": ["workflows"]}
DRILL = {"playbook": "playbooks/restore_test.yml", "restore_test_only": ["workflows"]}


def test_restore_ok_then_one_flipped_byte_is_named(clone):
    assert clone.run(**BACKUP).rc == 0
    ran = clone.run(**DRILL)
    assert ran.rc == 0, ran.stdout
    assert "Restore OK" in ran.stdout.splitlines()
    restored = clone.path / "backups/restore_test/playbooks/maintain.yml"
    assert restored.read_text() == (clone.path / "playbooks/maintain.yml").read_text()

    archive = clone.path / "backups/workflows_backup.tar.gz"
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 0x01
    archive.write_bytes(damaged)
    ran = clone.run(**DRILL)
    assert ran.rc != 0
    lines = ran.stdout.splitlines()
    assert "Restore OK" not in lines
    assert any(line.startswith("Restore FAILED") for line in lines)
    restore = clone.json("backups/last_restore.json")
    assert restore["status"] == "failed"
    # The entry is named on the screen, not only in the evidence.
    named = restore["corrupt_files"] + restore["missing_files"] + restore["metadata_mismatches"]
    assert named
    assert "Traceback" not in ran.stdout

    # The next backup sees that its archive is not as it was left, and makes a good one.
    assert clone.run(**BACKUP).rc == 0
    assert "Restore OK" in clone.run(**DRILL).stdout.splitlines()


@pytest.mark.once
def test_a_drill_without_an_archive_fails_and_says_what_to_do(clone):
    ran = clone.run(**DRILL)
    assert ran.rc != 0
    assert any(line.startswith("Restore FAILED") for line in ran.stdout.splitlines())
    assert "Traceback" not in ran.stdout


@pytest.mark.once
def test_a_set_that_names_what_is_not_there_fails_and_leaves_the_last_good_archive(clone):
    assert clone.run(**BACKUP).rc == 0
    before = (clone.path / "backups/workflows_backup.tar.gz").read_bytes()
    success = clone.json("backups/last_success.json")
    ran = clone.run(**BACKUP, backup_sets=[{"name": "workflows", "paths": ["playbooks", "nosuch"]}])
    assert ran.rc != 0
    assert "path_missing" in ran.stdout and "nosuch" in ran.stdout
    assert (clone.path / "backups/workflows_backup.tar.gz").read_bytes() == before
    assert clone.json("backups/last_success.json") == success


@pytest.mark.once
def test_the_proofs_chain(clone):
    clone.run(**BACKUP)
    clone.run(**DRILL)
    clone.run(**DRILL)
    proofs = sorted((clone.path / "backups/proofs").glob("*.json"))
    assert len(proofs) == 2
    first, second = (json.loads(path.read_text()) for path in proofs)
    assert first["previous_proof_sha256"] is None
    assert second["previous_proof_sha256"]
    text = (clone.path / "backups/restore-proof.txt").read_text()
    assert text == max((clone.path / "backups/proofs").glob("*.txt")).read_text()
