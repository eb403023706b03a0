# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drills away from the host that was backed up, over SSH and with sudo."""

from __future__ import annotations

import pytest

from tests.lab.conftest import INVENTORY

DRILL = "playbooks/restore_test.yml"
SETS = [{"name": "etc", "paths": ["/etc"]}]
# An archive that takes several pieces to bring, and can be read by root alone.
BIG = [{"name": "big", "paths": ["/root/big"]}]


def drill(clone, place, sets=SETS, **more):
    options = {
        "target": "web1", "backup_sets": sets, "restore_test_only": [sets[0]["name"]],
        # From the host itself, piece by piece.
        "backup_vault": False, "backup_copies": [], "restore_test_from": "host",
    }  # fmt: skip
    assert clone.run("playbooks/backup.yml", INVENTORY, **{**options, "backup_only": [sets[0]["name"]]}).rc == 0
    return clone.run(DRILL, INVENTORY, restore_test_on=place, **options, **more)


@pytest.mark.parametrize("place", ["controller", "db1"])
def test_an_archive_of_many_pieces_restores_elsewhere(lab, clone, place):
    lab.broken.add("web1")
    lab.shell("web1", "mkdir -p /root/big; head -c 20000000 /dev/urandom > /root/big/noise; echo x > /root/big/x")
    ran = drill(clone, place, BIG)
    assert ran.rc == 0, ran.stdout
    last = clone.json("backups/hosts/web1/big/last_restore.json")
    assert (last["status"], last["level_reached"]) == ("ok", "extract")
    assert (last["restored_on"]["host"], last["restored_from"]["nodename"]) == (place, "web1")
    assert last["archive"].startswith("/var/lib/upkeep/archives/big.tar.")
    clone.validate_documents()
    # Nothing of it stays anywhere.
    assert not list((clone.path / "state/drill").rglob("big*"))
    left = lab.shell(place, "find / -xdev -name 'big.tar*' -not -path '/proc/*'") if place == "db1" else ""
    assert left == ""


def test_a_drill_host_that_is_away_is_a_failed_drill(lab, clone):
    lab.stop("db1")
    ran = drill(clone, "db1")
    assert ran.rc != 0
    assert "drill_host_unreachable" in ran.stdout and "Traceback" not in ran.stdout
    (seen,) = (each for each in clone.observations() if each["phase"] == "restore_test" and each["host"] == "web1")
    assert seen["status"] == "failed" and "db1 cannot be reached" in seen["reason"]
