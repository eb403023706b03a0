# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""zypper for real, against repositories that are made here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.managers import worlds
from tests.managers.rpms import Advisory, Repo, Rpm
from tests.managers.zyppers import System

# Unlike dnf, zypper has no excludes: what these two leave out in that world, it installs.
REASONS = {**worlds.REASONS, "unwanted": None, "unwanted-here": None}
del REASONS["app"]


@pytest.fixture(scope="module", autouse=True)
def zypper():
    if not shutil.which("zypper") or os.geteuid() != 0:
        pytest.skip("zypper is missing, or this is not root, whom it lets refresh a root of its own")


@pytest.fixture
def system(forge, tmp_path):
    return System(forge, tmp_path)


@pytest.fixture(scope="module")
def world(forge, tmp_path_factory):
    made = System(forge, tmp_path_factory.mktemp("zypper"))
    made.install(*worlds.INSTALLED, Rpm("branded", lines=("Vendor: One",)))
    for repo in worlds.repositories(modules=False):
        made.serve(repo)
    made.serve(Repo("other", [Rpm("branded", "2.0", lines=("Vendor: Another",))]))
    made.zypper("addlock", "lock*")
    made.zypper("refresh")
    return made


@pytest.fixture(scope="module")
def state(world):
    return world.collect()


def test_every_update_says_why(state):
    pending = {entry["name"]: entry for entry in state["pending"]}
    assert {name: entry["blocked_by"] for name, entry in pending.items()} == {**REASONS, "branded": "kept_back"}
    assert "nowhere-to-be-found" in pending["needy"]["blocked_detail"]
    assert "another vendor" in pending["branded"]["blocked_detail"]
    assert "zypper removelock locked" in pending["locked"]["blocked_detail"]
    assert [(e["name"], e["because"]) for e in state["removals"]] == [("old", "fresh 1.0-1 obsoletes it.")]
    assert {name for name, entry in pending.items() if entry["new_dependency"]} == {"extra", "fresh"}
    assert [entry["name"] for entry in state["installed"] if entry["held"]] == ["locked"]
    assert (state["collector"], state["tool"]["zypper"][:2], state["not_seen"]) == ("commands", "1.", [])


def test_what_advisories_say(state):
    pending = {entry["name"]: entry for entry in state["pending"]}
    assert {name for name, entry in pending.items() if entry["security"]} == {"tool", "locked", "unwanted"}
    shown = (
        "candidate",
        "security_version",
        "advisories",
        "cves",
        "severity",
        "published_at",
        "origins",
        "source_name",
    )
    assert [pending["tool"][name] for name in shown] == [
        "1.2-1",
        "1.1-1",
        ["EXBA-2026:0002", "EXSA-2026:0001"],
        ["CVE-2026-1111", "CVE-2026-1112"],
        "high",
        "2026-03-01T10:00:00Z",
        ["updates"],
        "tool-src",
    ]
    assert {name: pending[name]["origins"] for name in ("extra", "fresh")} == {"extra": ["base"], "fresh": ["updates"]}


def test_the_advisories_are_the_patches_that_zypper_needs(world, state):
    listed = world.zypper("--xmlout", "--no-refresh", "list-patches")
    needed = set(re.findall(r'<update kind="patch" name="([^"]+)"', listed))
    assert {advisory for entry in state["pending"] for advisory in entry["advisories"]} == needed


def test_freshness(system):
    system.install(Rpm("tool"))
    system.serve(Repo("updates", [Rpm("tool", "2.0")], [Advisory("A", "security", (("tool", "0", "2.0", "1"),))]))
    system.serve(Repo("off", [Rpm("other")]), enabled="0")
    metadata = system.collect()["metadata"]
    assert metadata["stale"] and metadata["refreshed_at"] is None
    assert any("updates is configured but its metadata is not there" in each for each in metadata["problems"])
    assert not (system.root / "var/cache/zypp/raw/updates").exists()  # nothing was fetched behind one's back
    state = system.collect(refresh="if_stale")
    metadata = state["metadata"]
    assert (metadata["stale"], metadata["refresh_ok"], state["changed"], metadata["problems"]) == (
        False,
        True,
        True,
        [],
    )
    assert {r["id"]: (r["enabled"], r["fetched"], r["security"]) for r in metadata["repositories"]} == {
        "off": (False, False, False),
        "updates": (True, True, True),
    }
    state = system.collect(refresh="always")
    assert (state["metadata"]["refresh_ok"], state["changed"]) == (True, False)
    for path in (system.root / "var/cache/zypp/raw").rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2, follow_symlinks=False)
    os.utime(system.root / "var/cache/zypp/raw", (time.time() - 7200,) * 2)
    metadata = system.collect(max_age=3600)["metadata"]
    assert metadata["stale"] and "updates was last refreshed at" in metadata["problems"][0]
    assert not system.collect(max_age=3600, refresh="if_stale")["metadata"]["stale"]

    system.point("gone", "http://127.0.0.1:9/x")
    state = system.collect(refresh="always")
    assert (state["metadata"]["stale"], state["metadata"]["refresh_ok"]) == (True, False)
    (failure,) = [each for each in state["metadata"]["problems"] if each.startswith("Refresh: ")]
    assert "the repository gone failed: " in failure and "127.0.0.1" in failure
    assert [entry["name"] for entry in state["pending"]] == ["tool"]  # the others still answer
    assert failure in system.collect()["metadata"]["problems"]


def test_a_registration_that_is_missing(system):
    system.install(Rpm("tool"))
    system.point("sles", "https://localhost:9/x?credentials=SCCcredentials")
    problems = system.collect()["metadata"]["problems"]
    assert any("sles needs a subscription: its credentials SCCcredentials" in problem for problem in problems)


def test_nothing_is_configured(system):
    system.install(Rpm("tool"))
    state = system.collect()
    assert state["metadata"]["stale"] and not state["pending"]
    assert any("No repository is enabled" in problem for problem in state["metadata"]["problems"])


def test_who_holds_the_lock(system):
    system.install(Rpm("tool"))
    (system.root / "run").mkdir(exist_ok=True)
    process = subprocess.Popen(["sleep", "600"])
    try:
        (system.root / "run/zypp.pid").write_text(f"{process.pid}\n")
        # zypper takes over a lock whose process is no zypper; ours names who has it.
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]);"
            "from ansible_collections.proven.upkeep.plugins.module_utils.packages import _zypper_ask;"
            "print(_zypper_ask.locker(sys.argv[2]))"
        )
        argv = [sys.executable, "-c", code, "collections", str(system.root)]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        assert said == f"{process.pid} sleep\n"
    finally:
        process.kill()
        process.wait()


def test_there_are_no_bindings(system):
    refused = system.collect(bindings="require", fails=True)
    assert refused["error_code"] == "bindings_missing"
