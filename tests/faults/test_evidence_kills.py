# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SIGKILL at every step of recording: each document is the old one or the new one, the chain of proofs holds, the next
recording leaves nothing behind."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    evidence,
    home,
    interrupted,
    observations,
    proof_chain,
    runs,
)

from .dying import every_death


@pytest.fixture(name="home")
def home_in_memory(memory):
    home.ensure_home(memory / "home")
    return memory / "home"


def leftovers(place):
    return [str(path) for path in place.rglob(".upkeep-*") if path.is_file() and path.name != ".upkeep-evidence"]


def test_a_backup_is_recorded(home, open_run, observe, record, samples):
    run = open_run("r1", ["backup"], ["web1"])
    place = home / "backups/hosts/web1/etc/last_success.json"
    record(run, "web1", "backup", {"data": samples.backup(sha256="0" * 64)})

    def action():  # the evidence first, as the action has it
        observation = observe(run, "web1", "backup", {"data": samples.backup(sha256="1" * 64)})
        evidence.publish(home, observation, run)
        observations.add(home, observation)

    for number in every_death(action):
        assert json.loads(place.read_text())["sha256"] in ("0" * 64, "1" * 64)
        said = observations.recorded(home, "r1", "web1", "backup")
        assert {each.status for each in said} == {"ok"}
        if len(said) > number + 1:  # an observation stands only where its evidence does
            assert json.loads(place.read_text())["sha256"] == "1" * 64
        record(run, "web1", "backup", {"data": samples.backup(sha256="0" * 64)})
        assert leftovers(home) == [], number


def test_a_drill_is_recorded(home, open_run, observe, record, samples):
    run = open_run("r1", ["restore_test"], ["web1"])
    place = home / "backups/hosts/web1/etc/last_restore.json"
    record(run, "web1", "restore_test", {"data": samples.restore()})

    def action():
        observation = observe(run, "web1", "restore_test", {"data": samples.restore()})
        evidence.publish(home, observation, run)
        observations.add(home, observation)

    for number in every_death(action):
        assert json.loads(place.read_text())["status"] == "ok"
        told = [each for each in proof_chain.verify(home).problems if "or its writer was killed" not in each]
        assert told == [], number  # a proof that nobody noted yet is named as such, until the next drill
        record(run, "web1", "restore_test", {"data": samples.restore()})
        chain = proof_chain.verify(home)
        assert chain.problems == [] and leftovers(home) == [], number


def test_a_run_is_opened(home, open_run):
    """Killed while it opens: the next one finds it, or finds none; never half of one."""
    opened = runs.Opening(["backup"], ["web1"], "maintain.yml")
    for number in every_death(lambda: runs.open_run(home, "r1", "shop", opened)):
        assert runs.load(home, "r1") is None or runs.load(home, "r1").targeted == ["web1"]
        interrupted.mark(home)
        open_run(f"r2-{number}", ["backup"], ["web1"])
        runs.open_run(home, "r1", "shop", opened)
        assert leftovers(home) == [], number
        (home / "runs/r1/run.json").unlink()
