# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The advisory index as its playbook makes, exports and imports it."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index

from tests.feeds import FILES, server

__all__ = ["server"]

PLAYBOOK = "playbooks/advisories.yml"


@pytest.fixture
def mirror(server):
    for name, content in FILES.items():
        server.gives("/" + name, (200, {"ETag": '"1"'}, content), (304, {}, b""))
    return server


def test_fetched_exported_and_carried_into_an_air_gap(clone, mirror, tmp_path):
    hosts = clone.inventory({"web1": {}, "db1": {}})
    wanted = {"advisories_mirror": mirror.url, "advisories_sources": "debian,kev", "advisories_releases": ["debian:12"]}
    foreseen = clone.run(PLAYBOOK, hosts, "--check", **wanted)
    assert foreseen.rc == 0 and "would ask" in foreseen.stdout and not mirror.seen
    assert not (clone.path / "state/advisories.db").exists()

    # A limit must not drop the play, nor narrow what is loaded.
    ran = clone.run(PLAYBOOK, hosts, "--limit db1", **wanted, advisories_export=str(tmp_path))
    assert ran.rc == 0, ran.stdout
    assert "debian: " in ran.stdout and "rows loaded" in ran.stdout
    with Index.open(clone.path / "state/advisories.db") as index:
        assert {source.name for source in index.sources()} == {"debian", "kev"}
    (carried,) = tmp_path.glob("upkeep-advisories-*.tar.gz")

    asked = len(mirror.seen)
    gap = {"upkeep_home": str(tmp_path / "gap"), "advisories_import": str(carried)}
    ran = clone.run(PLAYBOOK, hosts, **gap)
    assert ran.rc == 0 and len(mirror.seen) == asked, "an air gap asks nobody"
    with Index.open(tmp_path / "gap/state/advisories.db") as index:
        assert index.statements("debian:12", "openssl")[0].advisory == "DSA-6113-1"
    ran = clone.run(PLAYBOOK, hosts, **gap)
    assert ran.rc == 0 and not ran.changed()


@pytest.mark.once
def test_a_source_that_is_down_fails_the_playbook_and_keeps_what_is_there(clone, mirror):
    wanted = {"advisories_mirror": mirror.url, "advisories_sources": ["kev", "epss"], "advisories_max_age": 0}
    assert clone.run(PLAYBOOK, **wanted).rc == 0
    mirror.gives("/kev/known_exploited_vulnerabilities.json", (404, {}, b""))
    ran = clone.run(PLAYBOOK, **wanted)
    assert ran.rc != 0 and "feed_refused" in ran.stdout and "Traceback" not in ran.stdout
    assert "epss: " in ran.stdout
    with Index.open(clone.path / "state/advisories.db") as index:
        assert index.exploited(["CVE-2020-5902"])
        assert {source.name: source.error is None for source in index.sources()} == {"kev": False, "epss": True}


@pytest.mark.once
def test_null_counts_as_not_given(clone, mirror):
    names = ("sources", "releases", "max_age", "export", "import", "force", "fetch")
    ran = clone.run(PLAYBOOK, advisories_mirror=mirror.url, **{f"advisories_{name}": None for name in names})
    assert ran.rc == 0, ran.stdout
    assert "kev: " in ran.stdout and "epss: " in ran.stdout
