# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep proof`: verify and show."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from upkeep.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(name="home")
def home_fixture(tmp_path):
    from ansible_collections.proven.upkeep.plugins.plugin_utils import proofs

    for number, host in enumerate(("web1", "web2", "web1")):
        scope = {"mode": "stream", "level": "blocks", "paths": [], "sample": None, "coverage_pct": 100.0}
        proofs.append(tmp_path, {
            "schema": "upkeep.restore/1", "host": host, "backup": "etc", "status": "ok", "scope": scope, "run_id": "r1",
            "level_reached": "blocks", "finished": f"2026-11-23T09:00:0{number}Z",
        })  # fmt: skip
    return tmp_path


def test_a_whole_chain_and_a_broken_one(home, capsys):
    assert main(["proof", "verify", "--home", str(home)]) == 0
    screen = capsys.readouterr().out
    assert screen.splitlines()[0] == "Proofs OK" and "cannot notice" in screen
    assert main(["proof", "verify", "--home", str(home), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads((ROOT / "docs/schemas/proof_check.json").read_text()))
    assert (found["proofs"], len(found["unsigned"]), found["signers"]) == (3, 3, {})
    assert main(["proof", "verify", "--home", str(home), "--known", found["head_sha256"]]) == 0
    assert main(["proof", "verify", "--home", str(home), "--known", "0" * 64]) == 1
    assert main(["proof", "verify", "--home", str(home), "--require-signed"]) == 1
    (home / "backups/proofs/20261123T090001Z-web2-etc.txt").write_text("nothing to see")
    capsys.readouterr()
    assert main(["proof", "verify", "--home", str(home)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Proofs BROKEN: ") and any("web2-etc.txt: altered" in line for line in lines)


def test_nothing_at_all_is_not_intact(tmp_path, capsys):
    assert main(["proof", "verify", "--home", str(tmp_path)]) == 1
    assert "there is no proof" in capsys.readouterr().out
    assert main(["proof", "verify", "--home", str(tmp_path), "--allowed-signers", "/no/such"]) == 2
    assert capsys.readouterr().err == "--allowed-signers: there is no file /no/such.\n"


def test_show(home, capsys):
    assert main(["proof", "show", "--home", str(home)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["proof", "show", "web1", "--home", str(home)]) == 0
    assert "web2" not in capsys.readouterr().out
    assert main(["proof", "show", "web1", "etc", "--home", str(home)]) == 0
    screen = capsys.readouterr().out
    assert "RESTORE PROOF  OK" in screen and "Record:          20261123T090002Z-web1-etc.json" in screen
    assert main(["proof", "show", "web3", "--home", str(home)]) == 1
    assert "There is no proof of web3" in capsys.readouterr().err
