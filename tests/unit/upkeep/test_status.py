# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `make status` says of a run that no report has taken in yet."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import runs

from upkeep import status


@pytest.mark.parametrize(
    "failures, told", [([], "finished"), ([{"message": "host web1: backup etc failed"}], "finished, with 1 failure")]
)
def test_a_newer_run_does_not_pass_for_a_good_one(tmp_path, failures, told):
    folder = tmp_path / "runs/r1"
    folder.mkdir(parents=True)
    run = runs.Run("r1", "shop", "2026-11-23T09:00:00Z", 1, "x", "c", state="finished", failures=failures)
    (folder / "run.json").write_text(json.dumps(run.document()))
    (newest,) = runs.newest_first(tmp_path)
    assert status._state(tmp_path, newest) == told
