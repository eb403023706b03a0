# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host to the vault, encrypted, to an SFTP server and a disk, and back from there."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.sshd import SSHD, Sshd

pytestmark = pytest.mark.skipif(not (SSHD and shutil.which("age")), reason="sshd or age is missing (apt-get install)")
PASSWORD = "s3cr3t-of-the-far-side"


@pytest.fixture
def far(tmp_path):
    """A copy on an SFTP server that refuses to remove, rename or alter anything."""
    refused = "remove,rename,posix-rename,rmdir,setstat,fsetstat"
    sshd = Sshd(tmp_path / "sshd", more=(f"ForceCommand internal-sftp -P {refused}",)).start()
    yield {
        "name": "far", "sftp": sshd.alias, "path": str(tmp_path / "far"), "ssh_arguments": ["-F", str(sshd.config)],
        "append_only": True, "secret": "far_login",
    }  # fmt: skip
    sshd.stop()


def test_out_and_back(clone, small_set, far, tmp_path):
    key = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    key.chmod(0o600)
    public = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    disk = {"name": "disk", "path": str(tmp_path / "disk"), "require_mount": False, "keep": {"last": 1}}
    gone = {"name": "gone", "path": str(clone.path.parent / "not-mounted")}
    options = {
        "backup_sets": small_set[1:], "backup_vault": True, "backup_encrypt_to": [public], "backup_identity": str(key),
        "backup_secrets": {"far_login": PASSWORD},
    }  # fmt: skip
    inventory = clone.inventory({"web1": {}}, **options)

    # One that fails lets the others be, and fails the run.
    ran = clone.run("playbooks/backup.yml", inventory, backup_copies=[gone, far, disk])
    assert ran.rc != 0 and "copy_not_mounted" in ran.stdout, ran.stdout
    evidence = clone.path / "backups/hosts/web1/data/copies"
    assert sorted(path.name for path in evidence.iterdir()) == ["disk.json", "far.json"]
    told = clone.json("backups/hosts/web1/data/copies/far.json")
    assert (told["append_only"], told["verified_by"], told["kept"]["archives"]) == (True, "read_back", 1)
    assert clone.json("backups/hosts/web1/data/last_success.json")["sha256"] == told["archive_sha256"]
    files = sorted(path.name for path in (tmp_path / "far/web1/data").iterdir())
    assert [name.partition(".")[2] for name in files] == ["json", "tar.gz.age", "tar.gz.manifest.jsonl.gz.age"]

    # Again, with something new.
    (tmp_path / "data/file").write_text("worth more\n")
    ran = clone.run("playbooks/backup.yml", inventory, backup_copies=[far, disk])
    assert ran.rc == 0, ran.stdout
    assert clone.json("backups/hosts/web1/data/copies/far.json")["reverified"]["ok"] is True
    assert len(clone.json("backups/hosts/web1/data/copies/disk.json")["removed"]) == 1

    # A drill from the far copy, with the escrowed key.
    drill = {"restore_test_only": ["data"], "restore_test_from": "far", "backup_copies": [far, disk]}
    ran = clone.run("playbooks/restore_test.yml", inventory, restore_test_on="controller", **drill)
    assert ran.rc == 0, ran.stdout
    last = clone.json("backups/hosts/web1/data/last_restore.json")
    assert last["restored_from"]["taken_from"] == "far" and last["sealed"]["opened_with"] == public
    proof = (clone.path / "backups/hosts/web1/data/restore-proof.txt").read_text()
    assert "Taken from:      the copy far" in proof
    clone.validate_documents()

    written = [clone.path / name for name in ("backups", "runs", "state", "reports")]
    left = subprocess.run(["grep", "-rlF", PASSWORD, *written], capture_output=True, text=True, check=False)
    assert left.stdout == "" and PASSWORD not in ran.stdout
