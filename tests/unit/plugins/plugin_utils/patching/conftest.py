# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run folders with patch runs in them."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import recorded

from tests.patch_results import compose, plan


@pytest.fixture
def patched(home, open_run, record):
    """patched("r1", results, day=23) records a host's patch run as `patch_record` does; returns the document."""

    def made(run_id, given, host="web1", day=23, **facts):
        now = f"2026-11-{day:02d}T22:01:00Z"
        run = open_run(run_id, ["patch"], [host], f"2026-11-{day:02d}T22:00:00Z")
        document = compose(given, host=host, run_id=run_id, now=now, **facts)
        record(run, host, "patch", {"data": document, "changed": bool(document["changed"])}, finished=now)
        if document["planned"]:
            atomic.write_json(str(recorded.folder(home, run_id, host) / "plan.json"), plan())
        return document

    return made
