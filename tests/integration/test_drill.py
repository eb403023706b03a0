# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills: how deep, which part, where, and what their proofs are worth."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

DRILL = "playbooks/restore_test.yml"
REPORT = "playbooks/report.yml"


@pytest.fixture
def backed_up(clone, small_set, tmp_path):
    """(inventory, sets) of a host `web1` with a backup of a few files."""
    for number in range(12):
        (tmp_path / "data" / f"file{number}").write_text(f"{number}\n" * 100)
    inventory = clone.inventory({"web1": {}, "drill1": {}})
    sets = small_set[1:]
    ran = clone.run("playbooks/backup.yml", inventory, target="web1", backup_sets=sets)
    assert ran.rc == 0, ran.stdout
    return inventory, sets


def entry(clone, inventory, sets):
    ran = clone.run(REPORT, inventory, target="web1", backup_sets=sets, gate_enforce=False)
    assert ran.rc == 0, ran.stdout
    return next(each for each in clone.report()["backups"] if each["host"] == "web1")


def upkeep(clone, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "upkeep", "proof", *arguments, "--home", str(clone.path)],
        cwd=clone.path, capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip


def test_levels_and_parts_until_all_is_proven_and_signed(clone, backed_up, tmp_path):
    inventory, sets = backed_up
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"auditor@example.org {key.with_suffix('.pub').read_text()}")

    def drill(**more):
        return clone.run(DRILL, inventory, target="web1", backup_sets=sets, restore_test_only=["data"], **more)

    # A hash is no restore.
    ran = drill(restore_test_level="hash")
    assert ran.rc == 0, ran.stdout
    assert "Hash OK (no restore was tried)" in ran.stdout.splitlines()
    last = clone.json("backups/hosts/web1/data/last_restore.json")
    assert (last["status"], last["level_reached"], last["files_verified"]) == ("ok", "hash", 0)
    seen = entry(clone, inventory, sets)
    assert (seen["proven"], seen["proven_pct"]) == (False, 0.0)
    assert any("only the hash" in problem for problem in seen["problems"])

    # As many drills as parts cover everything, whatever was asked in between.
    chosen = []
    for _run in range(2):
        ran = drill(restore_test_sample={"of": 2}, restore_test_level="blocks", proof_signing_key=str(key))
        assert ran.rc == 0, ran.stdout
        last = clone.json("backups/hosts/web1/data/last_restore.json")
        assert last["scope"]["sample"]["chosen_by"] == "evidence" and last["signed"]
        chosen.append(last["scope"]["sample"]["part"])
    assert sorted(chosen) == [1, 2]
    seen = entry(clone, inventory, sets)
    assert (seen["proven"], seen["proven_pct"]) == (True, 100.0)
    assert seen["proven_since"] and seen["sampled"]["pct"] == 100.0
    assert clone.report()["proof_chain"]["signed"] == 2
    clone.validate_documents()

    checked = upkeep(clone, "verify", "--allowed-signers", str(signers), "--json")
    found = json.loads(checked.stdout)
    assert checked.returncode == 0, checked.stdout
    assert (found["proofs"], found["signed"], found["signers"]) == (3, 2, {"auditor@example.org": 2})
    signature = next((clone.path / "backups/proofs").glob("*.txt.sig"))
    signature.unlink()
    checked = upkeep(clone, "verify")
    assert checked.returncode == 1 and f"{signature.name}: lost" in checked.stdout

    # A key that cannot be used: the proof stands, the run fails and says why.
    key.chmod(0o644)
    ran = drill(proof_signing_key=str(key))
    assert ran.rc != 0
    assert "proof_unsigned" in ran.stdout and "chmod 0600" in ran.stdout and "Traceback" not in ran.stdout
    last = clone.json("backups/hosts/web1/data/last_restore.json")
    assert (last["status"], last["signed"]) == ("ok", False)


def test_a_drill_on_another_machine(clone, backed_up, refuses, tmp_path):
    inventory, sets = backed_up
    options = {"target": "web1", "backup_sets": sets, "restore_test_only": ["data"]}
    options["restore_test_folder"] = str(tmp_path / "scratch")
    for place in ("controller", "drill1"):
        ran = clone.run(DRILL, inventory, restore_test_on=place, **options)
        assert ran.rc == 0, ran.stdout
        last = clone.json("backups/hosts/web1/data/last_restore.json")
        assert (last["status"], last["level_reached"], last["restored_on"]["host"]) == ("ok", "extract", place)
        assert last["archive"] == str(tmp_path / "web1/data.tar.gz")
        assert last["restored_from"]["nodename"] == os.uname().nodename
        text = (clone.path / "backups/hosts/web1/data/restore-proof.txt").read_text()
        assert f"Restored on:     {place} (nodename" in text and "what was restored was removed" in text
    assert not list((clone.path / "state/drill").rglob("*.gz"))

    away = clone.inventory({"web1": {}, "drill1": refuses})
    ran = clone.run(DRILL, away, restore_test_on="drill1", **options)
    assert ran.rc != 0
    assert "drill_host_unreachable" in ran.stdout and "restore_test_on=host" in ran.stdout
    seen = [each for each in clone.observations() if each["phase"] == "restore_test" and each["host"] == "web1"]
    assert [each["status"] for each in seen].count("failed") == 1
    ran = clone.run(DRILL, inventory, restore_test_on="nosuch", **options)
    assert ran.rc != 0 and "no host nosuch in the inventory" in ran.stdout.replace("\n", " ")


def test_a_damaged_archive_names_what_can_still_be_restored(clone, backed_up, tmp_path):
    inventory, sets = backed_up
    archive = tmp_path / "web1/data.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    ran = clone.run(DRILL, inventory, target="web1", backup_sets=sets, restore_test_only=["data"])
    assert ran.rc != 0
    last = clone.json("backups/hosts/web1/data/last_restore.json")
    assert last["status"] == "failed" and last["next_scope"]["command"]
    assert last["next_scope"]["command"] in ran.stdout
    assert "TO TRY NEXT" in (clone.path / "backups/hosts/web1/data/restore-proof.txt").read_text()
    clone.validate_documents()
