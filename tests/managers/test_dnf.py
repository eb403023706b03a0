# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dnf 4 and dnf5 for real, by their bindings and by their commands, against repositories that are made here."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from functools import lru_cache

import pytest

from tests.managers import dnfs, worlds
from tests.managers.rpms import Advisory, Repo, Rpm, collect

WAYS = [("dnf4", "require"), ("dnf4", "never"), ("dnf5", "require"), ("dnf5", "never")]
KINDS = ["dnf4", "dnf5"]


@pytest.fixture(scope="session")
def file_systems():
    """dnf4 runs on this machine, dnf5 in a root file system of its own: made when the first test asks for it."""
    if reason := dnfs.dnf4_missing():
        pytest.skip(reason)
    made = {"dnf4": lambda: None, "dnf5": dnfs.dnf5_root}
    kept: dict = {}
    return lambda kind: kept[kind] if kind in kept else kept.setdefault(kind, made[kind]())


@pytest.fixture
def system(forge, file_systems, tmp_path):
    return lambda kind: dnfs.System(forge, tmp_path, kind, file_systems(kind))


@pytest.fixture(scope="module")
def worlds_made(forge, file_systems, tmp_path_factory):
    kept = {}

    def make(kind):
        if kind not in kept:
            made = dnfs.System(forge, tmp_path_factory.mktemp(kind), kind, file_systems(kind))
            made.configure(excludepkgs="unwanted")
            made.install(*worlds.INSTALLED, worlds.MODULAR_INSTALLED)
            made.enable_module(worlds.ENABLED)
            made.lock("locked", "0:1.0-1")
            for repo in worlds.repositories(modules=True):
                made.serve(repo)
            made.makecache()
            kept[kind] = made
        return kept[kind]

    return make


@pytest.fixture(scope="module")
def states(worlds_made):
    """What each way says of that world, asked once."""
    return lru_cache(maxsize=None)(lambda kind, bindings: worlds_made(kind).collect(bindings=bindings))


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_every_update_says_why(states, kind, bindings):
    state = states(kind, bindings)
    assert state["collector"] == ("commands" if bindings == "never" else "bindings")
    assert state["tool"]["dnf"].startswith(kind[-1])
    pending = {entry["name"]: entry for entry in state["pending"]}
    assert {name: entry["blocked_by"] for name, entry in pending.items()} == worlds.REASONS
    for name, part in worlds.DETAILS.items():
        assert part in pending[name]["blocked_detail"], name
    assert [(e["name"], e["because"]) for e in state["removals"]] == [("old", "fresh 1.0-1 obsoletes it.")]
    assert {name for name, entry in pending.items() if entry["new_dependency"]} == {"extra", "fresh"}
    assert not state["not_seen"] and not state["changed"]


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_what_advisories_say(states, kind, bindings):
    pending = {entry["name"]: entry for entry in states(kind, bindings)["pending"]}
    assert {name for name, entry in pending.items() if entry["security"]} == {"tool", "locked", "unwanted"}
    shown = (
        "candidate",
        "security_version",
        "advisories",
        "cves",
        "severity",
        "severity_source",
        "published_at",
        "origins",
    )
    assert {name: pending["tool"][name] for name in shown} == {
        "candidate": "1.2-1",
        "security_version": "1.1-1",
        "advisories": ["EXBA-2026:0002", "EXSA-2026:0001"],
        "cves": ["CVE-2026-1111", "CVE-2026-1112"],
        "severity": "high",
        "severity_source": "updateinfo",
        "published_at": "2026-03-01T10:00:00Z",
        "origins": ["updates"],
    }
    assert pending["unwanted"]["advisories"] == ["odd-id"]
    assert pending["epochal"]["candidate"] == "1:1.1-1"
    assert (pending["tool"]["source_name"], pending["tool"]["source_version"]) == ("tool-src", "1.2-1")
    assert pending["plain"]["severity"] == "unknown" and pending["plain"]["severity_source"] is None


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_what_is_installed(states, kind, bindings):
    installed = {entry["name"]: entry for entry in states(kind, bindings)["installed"]}
    assert set(installed) == {rpm.name for rpm in (*worlds.INSTALLED, worlds.MODULAR_INSTALLED)}
    assert installed["app"]["module"] == "app:1" and installed["tool"]["module"] is None
    assert installed["epochal"]["version"] == "1:1.0-1"
    assert {name for name, entry in installed.items() if entry["held"]} == {"locked"}
    assert {entry["state"] for entry in installed.values()} == {"installed"}


@pytest.mark.parametrize("kind", KINDS)
def test_bindings_and_commands_answer_the_same(states, kind):
    by_bindings, by_commands = states(kind, "require"), states(kind, "never")
    assert by_bindings["collector"] != by_commands["collector"]
    assert {**by_bindings, "collector": "commands"} == by_commands


def test_an_interpreter_without_dnf_asks_that_of_dnf(worlds_made, states):
    made = worlds_made("dnf4")
    if subprocess.run([sys.executable, "-c", "import dnf"], capture_output=True, cwd="/", check=False).returncode == 0:
        pytest.skip("this interpreter has dnf itself")
    options = {"manager": "dnf", "root": str(made.root)}
    state = collect(sys.executable, made.env, **options)
    assert state == states("dnf4", "never")
    refused = collect(sys.executable, made.env, bindings="require", **options)
    assert refused["error_code"] == "bindings_missing" and "python3-dnf" in refused["msg"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_is_that_of_dnf_itself(worlds_made, states, kind):
    """What dnf says that it would do, in its own words."""
    made = worlds_made(kind)
    state = states(kind, "never")
    said = made.dnf("-C", "--assumeno", "--nobest", "upgrade", rcs=(0, 1))
    for entry in state["pending"]:
        row = f" {entry['name']} "
        listed = any(
            line.startswith(row) and entry["candidate"] in line for line in said.split("Skipping")[0].splitlines()
        )
        # The command line of dnf 4 reads the machine's own version locks: there is no lock in that root for it.
        if entry["name"] != "locked":
            assert listed == (entry["blocked_by"] is None), (entry["name"], said)


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_locks_hold_pin_and_forbid(system, kind, bindings):
    made = system(kind)
    made.install(Rpm("stays"), Rpm("elsewhere"), Rpm("forbidden"))
    made.serve(Repo("updates", [Rpm("stays", "2.0"), Rpm("elsewhere", "3.0"), Rpm("forbidden", "2.0")], []))
    made.lock("stays", "0:1.0-1")
    made.lock("elsewhere", "0:2.0-1")
    made.lock("forbidden", "0:2.0-1", "!=")
    made.makecache()
    state = made.collect(bindings=bindings)
    assert {e["name"]: e["blocked_by"] for e in state["pending"]} == {
        "stays": "held",
        "elsewhere": "pinned",
        "forbidden": "pinned",
    }
    assert [e["name"] for e in state["installed"] if e["held"]] == ["stays"]


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_kernels_come_beside_the_others(system, kind, bindings):
    def kernel(number):
        lines = ("Provides: installonlypkg(kernel)", f"Provides: kernel-uname-r = 6.{number}.0-1.noarch")
        return Rpm("kernel-core", f"6.{number}.0", lines=lines)

    made = system(kind)
    made.configure(installonly_limit="2", installonlypkgs="kernel-core")
    made.install(kernel(1), kernel(2))
    fixes = [Advisory("EX-K3", "security", (("kernel-core", "0", "6.3.0", "1"),), ("CVE-2026-3",), "Moderate")]
    made.serve(Repo("updates", [kernel(3), kernel(4)], fixes))
    made.makecache()
    state = made.collect(bindings=bindings)
    (update,) = state["pending"]
    assert (update["installed"], update["candidate"], update["new_dependency"]) == ("6.2.0-1", "6.4.0-1", False)
    assert (update["security"], update["security_version"], update["severity"]) == (True, "6.3.0-1", "medium")
    assert [(e["version"], "installonly_limit" in e["because"]) for e in state["removals"]] == [("6.1.0-1", True)]
    assert [k["release"] for k in state["kernels"]] == ["6.1.0-1.noarch", "6.2.0-1.noarch"]
    assert not state["health"]["half_configured"]


@pytest.mark.parametrize("kind, bindings", [("dnf4", "require"), ("dnf5", "never")])
def test_a_repository_for_subscribers(system, kind, bindings):
    made = system(kind)
    made.install(Rpm("tool"))
    made.serve(Repo("rhel", [Rpm("tool", "2.0")], []), sslclientcert="/etc/pki/entitlement/1.pem")
    made.makecache()
    state = made.collect(bindings=bindings)
    (update,) = state["pending"]
    assert update["blocked_by"] == "esm" and "/etc/pki/entitlement/1.pem is not there" in update["blocked_detail"]
    assert any("needs a subscription" in problem for problem in state["metadata"]["problems"])
    (made.root / "etc/pki/entitlement").mkdir(parents=True)
    (made.root / "etc/pki/entitlement/1.pem").write_text("")
    (update,) = made.collect(bindings=bindings)["pending"]
    assert update["blocked_by"] is None


@pytest.mark.parametrize("kind, bindings", [("dnf4", "never"), ("dnf5", "require")])
def test_freshness(system, kind, bindings):
    made = system(kind)
    made.install(Rpm("tool"))
    made.serve(Repo("updates", [Rpm("tool", "2.0")], [Advisory("A", "security", (("tool", "0", "2.0", "1"),))]))
    made.serve(Repo("plain", [Rpm("other", "2.0")]))
    made.serve(Repo("off", [Rpm("other", "3.0")]), enabled="0")
    metadata = made.collect(bindings=bindings)["metadata"]
    assert metadata["stale"] and metadata["refreshed_at"] is None
    assert any("updates is configured but its metadata is not there" in each for each in metadata["problems"])

    state = made.collect(bindings=bindings, refresh="if_stale")
    metadata = state["metadata"]
    assert (metadata["stale"], metadata["refresh_ok"], state["changed"]) == (False, True, True)
    assert {r["id"]: (r["enabled"], r["fetched"], r["security"]) for r in metadata["repositories"]} == {
        "off": (False, False, False),
        "plain": (True, True, False),
        "updates": (True, True, True),
    }
    assert metadata["problems"] == [
        "The repository plain has no advisories: which of its updates are for security is unknown."
    ]
    state = made.collect(bindings=bindings, refresh="always")
    assert (state["metadata"]["refresh_ok"], state["changed"]) == (True, False)
    assert made.collect(bindings=bindings, refresh="if_stale")["metadata"]["refresh_ok"] is None

    for path in (made.root / "var/cache").rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2, follow_symlinks=False)
    metadata = made.collect(bindings=bindings, max_age=3600)["metadata"]
    assert metadata["stale"] and any("updates was last refreshed at" in each for each in metadata["problems"])

    made.point("gone", "file:///nowhere")
    metadata = made.collect(bindings=bindings, refresh="if_stale")["metadata"]
    assert (metadata["stale"], metadata["refresh_ok"]) == (True, False)
    failures = [each for each in metadata["problems"] if each.startswith("Refresh: ")]
    assert len(failures) == 1 and "gone failed: " in failures[0] and "/nowhere" in failures[0]
    # The others are fresh, and what failed is remembered by a run that refreshes nothing.
    assert failures[0] in made.collect(bindings=bindings)["metadata"]["problems"]
    made.dnf("clean", "expire-cache")
    assert any("updates is marked as expired" in p for p in made.collect(bindings=bindings)["metadata"]["problems"])


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_nothing_is_configured(system, kind, bindings):
    made = system(kind)
    made.install(Rpm("tool"))
    state = made.collect(bindings=bindings)
    assert state["metadata"]["stale"] and not state["pending"]
    assert any("No repository is enabled" in problem for problem in state["metadata"]["problems"])


@pytest.mark.parametrize("kind", KINDS)
def test_health(system, kind):
    made = system(kind)
    made.install(Rpm("tool"), Rpm("tool", "2.0"), Rpm("broken", lines=("Requires: nothing-has-it",)))
    made.serve(Repo("updates", [Rpm("broken", "2.0", lines=("Requires: nothing-has-it",))], []))
    made.makecache()
    history = made.root / (
        "var/lib/dnf/history.sqlite" if kind == "dnf4" else "usr/lib/sysimage/libdnf5/transaction_history.sqlite"
    )
    history.parent.mkdir(parents=True, exist_ok=True)
    history.unlink(missing_ok=True)
    connection = sqlite3.connect(history)
    connection.execute("CREATE TABLE trans (id INTEGER PRIMARY KEY, dt_begin INTEGER, dt_end INTEGER)")
    connection.execute("INSERT INTO trans VALUES (1, 100, 200), (2, 300, NULL)")
    connection.commit()
    # Another table than dnf's own would upset the bindings, which this is not about: only our reading of it.
    health = _health(made)
    assert health["interrupted"] and health["locked_by"] is None
    connection.execute("UPDATE trans SET dt_end = 400")
    connection.commit()
    assert not _health(made)["interrupted"]
    connection.close()
    history.unlink()
    state = made.collect()
    assert state["health"]["half_configured"] == ["tool-1.0-1.noarch"]
    assert any("nothing-has-it" in each for each in state["health"]["unmet_dependencies"])


@pytest.mark.parametrize("bindings", ["require", "never"])
def test_a_look_by_dnf_4_leaves_nothing(system, bindings):
    made = system("dnf4")
    made.install(Rpm("tool"))
    made.serve(Repo("updates", [Rpm("tool", "2.0")], []))
    made.makecache()
    for path in (made.root / "var/lib/dnf").glob("history.sqlite*"):
        path.unlink()
    logs = made.root / "var/log"
    before = {path: path.read_bytes() for path in logs.glob("*.log")}
    state = made.collect(bindings=bindings, check_mode=True)
    assert [entry["name"] for entry in state["pending"]] == ["tool"] and state["keepable"]
    assert {path: path.read_bytes() for path in logs.glob("*.log")} == before
    assert not list((made.root / "var/lib/dnf").glob("history.sqlite*"))


def _health(made):
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1]);"
        "from ansible_collections.proven.upkeep.plugins.module_utils.packages import _dnf_health, _rpm_view, model;"
        "facts = _rpm_view.Facts('', [], [], [], [], [], []);"
        "print(json.dumps(model.plain(_dnf_health.health(sys.argv[2], facts)[0])))"
    )
    argv = [sys.executable, "-c", code, str(dnfs.ROOT / "collections"), str(made.root)]
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("kind, bindings", WAYS)
def test_a_damaged_configuration_is_one_sentence(system, kind, bindings):
    made = system(kind)
    made.install(Rpm("tool"))
    (made.root / "etc/dnf/dnf.conf").write_text("[main\nbest=maybe\n")
    refused = made.collect(bindings=bindings, fails=True)
    assert refused["error_code"] == "dnf_failed" and "\n" not in refused["msg"]
