# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host's archive, encrypted there, to a drill that shows that the escrowed key opens it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.once
DRILL = "playbooks/restore_test.yml"


def upkeep(clone, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "upkeep", "key", *arguments, "--home", str(clone.path)],
        cwd=clone.path, capture_output=True, text=True, check=True, env=dict(os.environ),
    ).stdout  # fmt: skip


def public_of(told):
    return next(line.split()[-1] for line in told.splitlines() if line.startswith("The public key"))


@pytest.fixture
def vaulted(clone, small_set, tmp_path):
    """(inventory, variables, public keys) of a host `web1` whose set `data` is in the vault, encrypted to two keys."""
    if not shutil.which("age"):
        pytest.skip("no age here")
    keys = [public_of(upkeep(clone, "new")), public_of(upkeep(clone, "new", "--file", str(tmp_path / "glass")))]
    # Host-side keys are public ones: nothing else is in these variables.
    variables = {
        "backup_sets": [{**small_set[1], "name": "data"}], "backup_encrypt_to": keys, "target": "web1",
        "backup_vault": True, "restore_test_on": "controller", "gate_enforce": False,
        "restore_test_folder": str(tmp_path / "scratch"),
    }  # fmt: skip
    inventory = clone.inventory({"web1": {}})
    ran = clone.run("playbooks/backup.yml", inventory, **variables)
    assert ran.rc == 0, ran.stdout
    return inventory, variables, keys


def entry(clone, inventory, variables):
    ran = clone.run("playbooks/report.yml", inventory, **variables)
    assert ran.rc == 0, ran.stdout
    return next(each for each in clone.report()["backups"] if each["host"] == "web1")


def test_a_drill_on_the_host_itself_opens_nothing(clone, vaulted):
    """It reads the plain archive there, whatever lies encrypted in the vault, and whichever key is at hand."""
    inventory, variables, _keys = vaulted
    on_host = {**variables, "restore_test_on": "host", "backup_identity": "state/keys/backup.agekey"}
    ran = clone.run(DRILL, inventory, **on_host)
    assert ran.rc == 0 and ", opened with" not in ran.stdout and "never opened with" in ran.stdout, ran.stdout
    assert "ENCRYPTION" not in (clone.path / "backups/hosts/web1/data/restore-proof.txt").read_text()
    after = entry(clone, inventory, on_host)
    assert after["proven"] and after["sealed"]["opened_at"] is None and clone.report()["summary"]["never_opened"] == 1
    assert any("never opened with the escrowed key" in each for each in after["problems"])


def test_a_drill_opens_it_with_the_escrowed_key_and_with_no_other(clone, vaulted, tmp_path):
    inventory, variables, keys = vaulted
    (sealed,) = (path for path in clone.path.glob("backups/vault/web1/data/*.age") if ".manifest." not in path.name)
    assert sealed.read_bytes().startswith(b"age-encryption.org/")
    before = entry(clone, inventory, variables)
    assert before["sealed"]["recipients"] == keys and before["sealed"]["opened_at"] is None
    assert any("never opened with the escrowed key" in each for each in before["problems"])

    upkeep(clone, "new", "--file", str(tmp_path / "wrong"))
    ran = clone.run(DRILL, inventory, **variables, backup_identity=str(tmp_path / "wrong"))
    assert ran.rc != 0 and "sealed_unopened" in ran.stdout
    assert not list(clone.path.glob("backups/proofs/*-web1-data.json"))

    ran = clone.run(DRILL, inventory, **variables, backup_identity="state/keys/backup.agekey")
    assert ran.rc == 0 and "opened with the escrowed key" in ran.stdout, ran.stdout
    proof = (clone.path / "backups/hosts/web1/data/restore-proof.txt").read_text()
    assert f"the escrowed key of {keys[0]}" in proof and f"not shown to open it: {keys[1]}" in proof
    after = entry(clone, inventory, variables)
    assert after["proven"] and after["sealed"]["opened_with"] == keys[0] and not after["problems"]
    (gate,) = [gate for gate in clone.report()["gates"] if gate["id"] == "escrow_opened"]
    assert gate["status"] == "pass" and gate["observed"] == 0
    content = bytearray(sealed.read_bytes())
    content[len(content) // 2] ^= 1
    sealed.write_bytes(content)
    ran = clone.run(DRILL, inventory, **variables, backup_identity="state/keys/backup.agekey")
    assert ran.rc != 0 and sealed.name in ran.stdout
    clone.validate_documents()
    secrets = [line for line in (clone.path / "state/keys/backup.agekey").read_text().splitlines() if "SECRET" in line]
    for path in clone.path.rglob("*"):
        if path.is_file() and path.suffix != ".agekey" and ".git" not in path.parts:
            assert secrets[0].encode() not in path.read_bytes(), path
