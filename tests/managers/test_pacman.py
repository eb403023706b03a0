# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pacman collector against a real pacman, with packages and repositories made here, below a root of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import (
    _alpm_config,
    _alpm_freshness,
    collect,
    pacman,
    registry,
)
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

from tests.managers.alpm import Alpm

NEEDED = ("pacman", "pacman-conf", "repo-add", "vercmp", "bsdtar", "zstd")
MISSING = [program for program in NEEDED if not shutil.which(program)]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"missing: {', '.join(MISSING)} (Debian: pacman-package-manager makepkg)"
)
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/schemas/patch_level.json").read_text())


@pytest.fixture(name="alpm")
def _alpm(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return Alpm(tmp_path)


def see(alpm, **options):
    return pacman.collect(Options(manager="pacman", root=str(alpm.root), **options))


def pending(state):
    return {update.name: update for update in state.pending}


def blocked(state):
    return {update.name: update.blocked_by for update in state.pending}


def printed_plan(alpm):
    """What pacman itself says that it would install."""
    said = alpm.pacman("-Su", "--print", "--print-format", "%n %v")
    return dict(line.split() for line in said.splitlines() if line.count(" ") == 1 and not line.startswith(":"))


def test_installed(alpm):
    lib = alpm.package("lib", "1:1.2-1", pkgbase="lib-src", arch="any")
    alpm.install(lib, reason="--asdeps")
    alpm.install(alpm.package("tool", "1.0-1", depend=["lib"]), alpm.package("kept", "1.0-1"))
    alpm.configure("IgnorePkg = kept k?pt2")
    found = {each.name: each for each in see(alpm).installed}
    said = dict(line.split() for line in alpm.pacman("-Q").splitlines())
    assert {name: each.version for name, each in found.items()} == said
    assert (found["lib"].source_name, found["lib"].arch, found["lib"].auto) == ("lib-src", "any", True)
    assert (found["tool"].auto, found["tool"].held, found["kept"].held) == (False, False, True)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz", ".bz2", ""])
def test_pending_is_what_pacman_says(alpm, suffix):
    alpm.install(alpm.package("lib", "1-1"), alpm.package("tool", "1-1", depend=["lib"]), alpm.package("same", "1-1"))
    long_name = "a-name-that-is-longer-than-the-hundred-bytes-a-tar-header-has-room-for-" + "x" * 60
    alpm.install(alpm.package(long_name, "1-1"))
    alpm.offer(
        "core",
        alpm.package("lib", "2-1", pkgbase="lib-src"),
        alpm.package("tool", "2-1", depend=["lib>=2", "fresh"]),
        alpm.package("fresh", "1-1"),
        alpm.package("same", "1-1"),
        alpm.package(long_name, "2-1", pkgbase="long"),
        suffix=suffix,
    )
    alpm.refresh()
    state = see(alpm)
    assert {name: each.candidate for name, each in pending(state).items()} == printed_plan(alpm)
    assert set(blocked(state).values()) == {None}
    lib, fresh = pending(state)["lib"], pending(state)["fresh"]
    assert (lib.installed, lib.source_name, lib.origins, lib.arch) == ("1-1", "lib-src", ["core"], "x86_64")
    assert lib.published_at == "2023-11-14T22:13:20Z"
    assert (fresh.installed, fresh.new_dependency, pending(state)[long_name].source_name) == (None, True, "long")
    assert not state.removals and not state.health.unmet_dependencies


def test_left_out_by_configuration(alpm):
    names = {"named": "", "pattern-a": "", "grouped": "desk", "free": ""}
    for version in ("1-1", "2-1"):
        packages = [alpm.package(name, version, group=group) for name, group in names.items()]
        alpm.install(*packages) if version == "1-1" else alpm.offer("core", *packages)
    alpm.configure("IgnorePkg = named pattern-*\nIgnoreGroup = d?sk")
    alpm.refresh()
    state = see(alpm)
    assert blocked(state) == {"named": "held", "pattern-a": "excluded", "grouped": "excluded", "free": None}
    said = {name: update.blocked_detail for name, update in pending(state).items()}
    assert "IgnorePkg" in said["named"] and "pattern-*" in said["pattern-a"] and "desk" in said["grouped"]
    ignored = {line.split()[0] for line in alpm.pacman("-Qu").splitlines() if line.endswith("[ignored]")}
    assert ignored == {name for name, by in blocked(state).items() if by}


def test_usage_keeps_from_upgrades(alpm):
    alpm.install(alpm.package("unused", "1-1"))
    alpm.offer("quiet", alpm.package("unused", "2-1"))
    alpm.conf.write_text(alpm.conf.read_text().replace("[quiet]", "[quiet]\nUsage = Sync Search Install"))
    alpm.refresh()
    state = see(alpm)
    assert blocked(state) in ({"unused": "excluded"}, {})  # newer pacmans do not list it at all
    assert printed_plan(alpm) == {}


REFUSED = {
    "a dependency that is ignored": (
        {"needs": {"depend": ["locked>=2"]}, "locked": {}}, {}, "IgnorePkg = locked",
        {"needs": "locked>=2", "bystander": "because of needs"}, "needs",
    ),
    "a foreign package needs the old one": (
        {"strict": {}}, {"foreign": {"depend": ["strict=1"]}}, "",
        {"strict": "required by foreign", "bystander": "because of strict"}, "strict",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_refused_upgrade_says_why(alpm, case):
    offered, foreign, options, expected, culprit = REFUSED[case]
    here = {name: {} for name in offered}
    alpm.install(*(alpm.package(n, "1-1", **f) for n, f in {**here, **foreign, "bystander": {}}.items()))
    alpm.offer("core", *(alpm.package(n, "2-1", **f) for n, f in {**offered, "bystander": {}}.items()))
    alpm.configure(options)
    alpm.refresh()
    with pytest.raises(RuntimeError):
        alpm.pacman("-Su", "--print")
    state = see(alpm)
    assert None not in blocked(state).values()
    for name, words in expected.items():
        assert blocked(state)[name] == "kept_back"
        assert words in pending(state)[name].blocked_detail, pending(state)[name].blocked_detail
    # And the way out that is named is one.
    detail = pending(state)["bystander"].blocked_detail
    assert f"--ignore {culprit}" in detail
    assert "bystander" in alpm.pacman("-Su", "--print", *detail.split("`")[1].split()[2:])


def test_replaced_package_is_a_removal(alpm):
    alpm.install(alpm.package("old", "1-1"), alpm.package("glibc", "1-1"), alpm.package("kept", "3-1"))
    alpm.offer(
        "core",
        alpm.package("new", "1-1", replaces="old", conflict="old"),
        alpm.package("libc", "1-1", replaces=["glibc<2", "kept<2"]),
    )
    alpm.refresh()
    state = see(alpm)
    assert set(printed_plan(alpm)) == {"new", "libc"} == set(pending(state))
    because = {removal.name: removal.because for removal in state.removals}
    assert set(because) == {"old", "glibc"}
    assert because["old"] == "new from core replaces it." and "HoldPkg" in because["glibc"]


CONFLICTS = {
    "the newcomer says so": ({"conflict": "stays"}, {}, True),
    "what is there says so": ({}, {"conflict": "newcomer"}, True),
    "by version": ({"conflict": "stays<2"}, {}, True),
    "not by this version": ({"conflict": "stays>=2"}, {}, False),
    "by what it provides": ({"conflict": "mail>1"}, {"provides": "mail=2"}, True),
    "not without a version": ({"conflict": "mail>1"}, {"provides": "mail"}, False),
    "with something else": ({"conflict": "other"}, {}, False),
}


@pytest.mark.parametrize("case", sorted(CONFLICTS))
def test_conflict_is_a_removal(alpm, case):
    newcomer, stays, removed = CONFLICTS[case]
    alpm.install(alpm.package("needs", "1-1"), alpm.package("stays", "1-1", **stays))
    alpm.offer("core", alpm.package("needs", "2-1", depend="newcomer"), alpm.package("newcomer", "1-1", **newcomer))
    alpm.refresh()
    state = see(alpm)
    assert set(pending(state)) == {"needs", "newcomer"}
    assert [removal.name for removal in state.removals] == (["stays"] if removed else [])
    assert {update.needs_full_upgrade for update in state.pending} == {removed}
    # What pacman itself finds, when it is about to do it.
    try:
        said = alpm.pacman("-Su")
    except RuntimeError as error:
        said = str(error)
    assert ("are in conflict" in said) == removed


def test_what_is_broken_already(alpm):
    alpm.install(alpm.package("broken", "1-1", depend=["gone"]), alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("broken", "2-1", depend=["gone"]), alpm.package("tool", "2-1"))
    alpm.refresh()
    state = see(alpm)
    assert state.health.unmet_dependencies == ["broken lacks gone"]
    assert (state.health.interrupted, state.health.half_configured) == (False, [])
    (alpm.root / "var/lib/pacman/local/half-1-1").mkdir()
    state = see(alpm)
    assert (state.health.interrupted, state.health.half_configured) == (True, ["half-1-1"])


def test_refresh_leaves_the_hosts_lists_alone(alpm):
    alpm.install(alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("tool", "1-1"))
    alpm.refresh()
    lists = alpm.root / "var/lib/pacman/sync/core.db"
    before = (lists.read_bytes(), lists.stat().st_mtime_ns)
    os.utime(lists, (1, 1))
    alpm.offer("core", alpm.package("tool", "2-1"))
    assert see(alpm).pending == []
    state = see(alpm, refresh="always")
    assert (state.metadata.refresh_ok, state.metadata.stale, state.changed) == (True, False, True)
    assert pending(state)["tool"].candidate == "2-1"
    assert lists.read_bytes() == before[0] and lists.stat().st_mtime_ns == 1_000_000_000
    assert "-Sy" not in (alpm.root / "var/log/pacman.log").read_text().splitlines()[-1].replace("noconfirm -Sy'", "")
    # The copy goes on to answer, and a host that refreshed after it answers for itself.
    assert pending(see(alpm))["tool"].candidate == "2-1"
    assert see(alpm, refresh="if_stale").metadata.refresh_ok is None
    alpm.offer("core", alpm.package("tool", "3-1"))
    alpm.refresh()
    assert pending(see(alpm))["tool"].candidate == "3-1"


def test_repository_that_fails(alpm):
    alpm.install(alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("tool", "2-1"))
    gone = alpm.offer("extra", alpm.package("other", "2-1"))
    shutil.rmtree(gone)
    state = see(alpm, refresh="always")
    assert (state.metadata.refresh_ok, state.metadata.stale) == (False, True)
    assert any("extra" in problem for problem in state.metadata.problems)
    assert {each.id: each.fetched for each in state.metadata.repositories} == {"core": True, "extra": False}
    assert pending(state)["tool"].candidate == "2-1"
    # It is not forgotten by the next collection, and a success ends it.
    later = see(alpm)
    assert later.metadata.stale and any(problem.startswith("Refresh:") for problem in later.metadata.problems)
    alpm.offer("extra", alpm.package("other", "2-1"))
    assert see(alpm, refresh="if_stale").metadata.problems == []


def test_stale(alpm):
    alpm.offer("core", alpm.package("tool", "1-1"))
    config = _alpm_config.load(str(alpm.root))
    never = _alpm_freshness.judge(config, 60, times.now(), None)[1]
    assert never.stale and never.refreshed_at is None and "never fetched" in never.problems[0]
    alpm.refresh()
    assert not _alpm_freshness.judge(config, 60, times.now(), None)[1].stale
    later = times.parse("2099-01-01T00:00:00Z")
    assert "last refreshed" in _alpm_freshness.judge(config, 60, later, None)[1].problems[0]


def test_check_mode_refreshes_nothing(alpm):
    alpm.offer("core", alpm.package("tool", "1-1"))
    state = see(alpm, refresh="always", check_mode=True)
    assert state.metadata.refresh_ok is None and not (alpm.base / "state").exists()


def test_refresh_survives_a_killed_one(alpm):
    alpm.offer("core", alpm.package("tool", "1-1"))
    assert see(alpm, refresh="always").metadata.refresh_ok
    own = Path(_alpm_freshness.own_folder(str(alpm.root / "var/lib/pacman")))
    (own / "db.lck").touch()
    assert see(alpm, refresh="always").metadata.refresh_ok


def test_waits_for_another_refresh_but_not_for_ever(alpm):
    import fcntl

    alpm.offer("core", alpm.package("tool", "1-1"))
    see(alpm, refresh="always")
    config = _alpm_config.load(str(alpm.root))
    with (Path(_alpm_freshness.own_folder(config.dbpath)) / "refresh.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        refresh = _alpm_freshness.refresh(config, lock_wait=0)
    assert "another refresh" in refresh.failures[0] and not refresh.changed


def test_lock(alpm):
    lock = alpm.root / "var/lib/pacman/db.lck"
    lock.touch()
    left = see(alpm)
    assert left.health.locked_by is None and left.health.interrupted and "left it behind" in left.not_seen[-1]
    program = f"h = open({str(lock)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        held = see(alpm)
        holder.stdin.close()
    assert held.health.locked_by.startswith(f"{holder.pid} python") and not held.health.interrupted


def test_kernels(alpm):
    alpm.install(alpm.package("linux", "6.6.10.arch1-1"), alpm.package("linux-lts", "6.1.70-1"))
    for release, package in (("6.6.10-arch1-1", "linux"), ("6.1.70-1-lts", "linux-lts"), ("6.5.1-arch1-1", "")):
        folder = alpm.root / "usr/lib/modules" / release
        folder.mkdir(parents=True)
        if package:
            (folder / "pkgbase").write_text(package + "\n")
    found = {(each.release, each.version) for each in see(alpm).kernels}
    assert found == {("6.6.10-arch1-1", "6.6.10.arch1-1"), ("6.1.70-1-lts", "6.1.70-1")}


DAMAGE = {
    "a list cut short": ("var/lib/pacman/sync/core.db", lambda old: old[:-40], "command_failed|package_lists_damaged"),
    "a list of zeros": ("var/lib/pacman/sync/core.db", lambda old: bytes(len(old)), None),
    "no list at all": (
        "var/lib/pacman/sync/core.db",
        lambda old: b"nonsense" * 200,
        "command_failed|package_lists_damaged",
    ),
    "a configuration that is none": ("etc/pacman.conf", lambda old: b"[options\nx", None),
}


@pytest.mark.parametrize("case", sorted(DAMAGE))
def test_damage_is_one_sentence(alpm, case):
    place, damage, codes = DAMAGE[case]
    alpm.install(alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("tool", "2-1"))
    alpm.refresh()
    path = alpm.root / place
    path.write_bytes(damage(path.read_bytes()))
    try:
        see(alpm)
    except UpkeepError as error:
        assert "\n" not in error.message and (codes is None or error.code in codes.split("|"))


def test_no_database(alpm):
    shutil.rmtree(alpm.root / "var/lib/pacman/local")
    with pytest.raises(UpkeepError) as error:
        see(alpm)
    assert error.value.code in ("package_database_damaged", "command_failed")


def test_the_document(alpm, monkeypatch):
    alpm.install(alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("tool", "2-1"))
    alpm.refresh()
    monkeypatch.setattr(registry, "detect", lambda wanted: wanted)
    document = collect.collect(Options(manager="pacman", root=str(alpm.root), scan_services=False)).document
    jsonschema.validate(document, SCHEMA)
    assert (document["counts"]["pending"], document["counts"]["security"]) == (1, None)
    assert any("security updates" in sentence for sentence in document["not_seen"])
    assert document["metadata"]["tells_security"] is False


def test_inputs_are_there(alpm):
    alpm.offer("core", alpm.package("tool", "1-1"))
    alpm.refresh()
    see(alpm, refresh="always")
    named = pacman.inputs(Options(root=str(alpm.root)))
    assert str(alpm.root / "var/lib/pacman/local") in named and str(alpm.conf) in named
    assert Path(_alpm_freshness.own_folder(_alpm_config.load(str(alpm.root)).dbpath)) in map(Path, named)


CHANGES = {
    "the configuration": lambda alpm: alpm.configure("IgnorePkg = tool"),
    "the database": lambda alpm: alpm.install(alpm.package("other", "1-1")),
    "a reason": lambda alpm: alpm.pacman("-D", "--asdeps", "tool"),
    "the lists": lambda alpm: (alpm.offer("core", alpm.package("tool", "3-1")), alpm.refresh()),
    "the copy of the lists": lambda alpm: see(alpm, refresh="always"),
    "a lock": lambda alpm: (alpm.root / "var/lib/pacman/db.lck").touch(),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_an_unchanged_host_is_remembered_and_a_change_noticed(alpm, monkeypatch, change):
    alpm.install(alpm.package("tool", "1-1"))
    alpm.offer("core", alpm.package("tool", "2-1"))
    alpm.refresh()
    monkeypatch.setattr(registry, "detect", lambda wanted: wanted)
    options = Options(manager="pacman", root=str(alpm.root), scan_services=False)
    time.sleep(0.2)  # what is younger than the clock's tick is not remembered
    first = collect.collect(options).document
    again = collect.collect(options).document
    assert (first["unchanged_since"], again["unchanged_since"] is None) == (None, False)
    assert again["pending"] == first["pending"]
    CHANGES[change](alpm)
    assert collect.collect(options).document["unchanged_since"] is None
    # A lock may be left without any file changing: while there is one, nothing is remembered.
    if change == "a lock":
        assert collect.collect(options).document["unchanged_since"] is None
