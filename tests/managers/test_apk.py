# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The apk collector against a real apk (2.14 or 3), where one is on PATH: Debian carries none."""

from __future__ import annotations

import fcntl
import functools
import http.server
import json
import os
import shutil
import threading
import time
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apk_repositories, apk, collect, registry
from ansible_collections.proven.upkeep.plugins.module_utils.packages._locks import locked_by
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

from tests.managers.alpine import Alpine

MISSING = [program for program in ("apk", "openssl") if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)} (apk-tools; Debian has no apk)")
SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/schemas/patch_level.json").read_text())


@pytest.fixture(name="alpine")
def _alpine(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return Alpine(tmp_path)


@pytest.fixture(name="served")
def _served(alpine):
    """The repositories over HTTP: those of this machine's paths are not cached."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(alpine.base / "served"))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
        server.shutdown()


def see(alpine, **options):
    return apk.collect(Options(manager="apk", root=str(alpine.root), **options))


def pending(state):
    return {update.name: update for update in state.pending}


def test_installed_and_pending(alpine):
    alpine.offer(
        "main",
        alpine.package("lib", "1.0-r0", origin="libsrc"),
        alpine.package("tool-2", "1.0-r0", depend="lib"),
        alpine.package("same", "1_git20240101-r0"),
    )
    alpine.add("tool-2", "same")
    alpine.offer(
        "main",
        alpine.package("lib", "1.1-r0", origin="libsrc"),
        alpine.package("tool-2", "1.1-r3", depend=["lib>=1.1", "fresh"], origin="toolsrc"),
        alpine.package("fresh", "1-r0", origin="freshsrc"),
        alpine.package("same", "1_git20240101-r0"),
    )
    state = see(alpine)
    installed = {each.name: each for each in state.installed}
    assert {name: each.version for name, each in installed.items()} == {
        "lib": "1.0-r0", "tool-2": "1.0-r0", "same": "1_git20240101-r0",
    }  # fmt: skip
    assert (installed["lib"].source_name, installed["lib"].auto, installed["tool-2"].auto) == ("libsrc", True, False)
    found = pending(state)
    assert {n: (u.installed, u.candidate, u.source_name, u.blocked_by, u.new_dependency) for n, u in found.items()} == {
        "lib": ("1.0-r0", "1.1-r0", "libsrc", None, False),
        "tool-2": ("1.0-r0", "1.1-r3", "toolsrc", None, False),
        "fresh": (None, "1-r0", "freshsrc", None, True),
    }
    assert all(update.arch == "x86_64" and "/served/main" in update.origins[0] for update in state.pending)
    said = alpine.apk("upgrade", "--simulate")
    assert all(f" {name} " in said for name in found) and "same" not in said


PINS = {"exact=1.0-r0": "exact", "fuzzy~1.0": "fuzzy", "below<2": "below", "limit<=1.5": "limit"}


def test_pinned_by_the_world(alpine):
    names = [*PINS.values(), "free", "least"]
    alpine.offer("main", *(alpine.package(name, "1.0-r0") for name in names))
    alpine.add(*PINS, "free", "least>=1")
    alpine.offer("main", *(alpine.package(name, "2.0-r0") for name in names))
    found = pending(see(alpine))
    assert {name: update.blocked_by for name, update in found.items()} == {
        **dict.fromkeys(PINS.values(), "pinned"), "free": None, "least": None,
    }  # fmt: skip
    for text, name in PINS.items():
        assert text in found[name].blocked_detail


def test_kept_back_by_another(alpine):
    users = [
        alpine.package("user", "1.0-r0", depend="strict=1.0-r0"),
        alpine.package("linked", "1.0-r0", depend="so:liba.so.1"),
    ]
    alpine.offer(
        "main", *users, alpine.package("strict", "1.0-r0"), alpine.package("liba", "1-r0", provides="so:liba.so.1=1")
    )
    alpine.add("user", "linked")
    alpine.offer(
        "main", *users, alpine.package("strict", "2.0-r0"), alpine.package("liba", "2-r0", provides="so:liba.so.2=2")
    )
    found = pending(see(alpine))
    assert {name: update.blocked_by for name, update in found.items()} == {"strict": "kept_back", "liba": "kept_back"}
    assert "user 1.0-r0 needs strict=1.0-r0" in found["strict"].blocked_detail
    assert "so:liba.so.1" in found["liba"].blocked_detail and "linked" in found["liba"].blocked_detail


def test_apk_refuses_all(alpine):
    alpine.offer("main", alpine.package("tool", "1-r0"), alpine.package("other", "1-r0"))
    alpine.add("tool", "other")
    alpine.offer("main", alpine.package("tool", "2-r0"), alpine.package("other", "2-r0"))
    with alpine.world.open("a") as stream:
        stream.write("missing-thing\n")
    state = see(alpine)
    assert {update.blocked_by for update in state.pending} == {"kept_back"} and len(state.pending) == 2
    assert all("missing-thing" in update.blocked_detail for update in state.pending)
    assert "missing-thing" in state.health.unmet_dependencies[0]


def test_removals(alpine):
    alpine.offer("main", alpine.package("helper", "1-r0"), alpine.package("tool", "1-r0", depend="helper"))
    alpine.add("tool")
    alpine.offer("main", alpine.package("tool", "2-r0", depend="better"), alpine.package("better", "1-r0"))
    state = see(alpine)
    assert [(each.name, each.version) for each in state.removals] == [("helper", "1-r0")]
    assert "Nothing that stays needs helper" in state.removals[0].because and "better" in state.removals[0].because


def test_tagged_repository(alpine):
    alpine.offer("main", alpine.package("tagged", "1-r0"), alpine.package("plain", "1-r0"))
    alpine.add("tagged", "plain")
    alpine.offer("edge", alpine.package("tagged", "2-r0"), alpine.package("plain", "2-r0"), tag="edge")
    assert see(alpine).pending == []  # nobody asked for what only a tag offers
    alpine.world.write_text("tagged@edge\nplain\n")
    (update,) = see(alpine).pending
    assert (update.name, update.candidate, update.blocked_by) == ("tagged", "2-r0", None)
    assert update.origins[0].startswith("@edge ")


def test_refresh(alpine, served):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.repositories.write_text(f"{served}/main\n")
    never = see(alpine).metadata
    assert never.stale and never.refreshed_at is None and not never.repositories[0].fetched
    first = see(alpine, refresh="if_stale")
    assert (first.metadata.refresh_ok, first.metadata.stale, first.changed) == (True, False, True)
    (repository,) = first.metadata.repositories
    assert repository.fetched and repository.signed and "secret" not in repository.id
    alpine.add("tool")
    alpine.offer("main", alpine.package("tool", "2-r0"))
    assert see(alpine, refresh="if_stale").metadata.refresh_ok is None and see(alpine).pending == []
    again = see(alpine, refresh="always")
    assert (again.metadata.refresh_ok, again.changed) == (True, True)
    assert pending(again)["tool"].candidate == "2-r0" and "secret" not in str(again)
    assert not see(alpine, refresh="always").changed
    assert see(alpine, refresh="always", check_mode=True).metadata.refresh_ok is None
    named = apk.inputs(Options(root=str(alpine.root)))
    assert _apk_repositories.index_file(str(alpine.root), _apk_repositories.sources(str(alpine.root))[0]) in named


def test_nothing_is_fetched_unasked(alpine, served):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.repositories.write_text(f"{served}/main\n")
    see(alpine, refresh="always")
    alpine.add("tool")
    alpine.offer("main", alpine.package("tool", "2-r0"))
    root = str(alpine.root)
    os.utime(_apk_repositories.index_file(root, _apk_repositories.sources(root)[0]), (1, 1))
    assert see(alpine).pending == []


def test_repository_that_fails(alpine, served):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.repositories.write_text(f"{served}/main\n{served}/gone\n")
    state = see(alpine, refresh="always")
    assert (state.metadata.refresh_ok, state.metadata.stale) == (False, True)
    assert any("gone" in problem for problem in state.metadata.problems) and "secret" not in str(state)
    assert [each.fetched for each in state.metadata.repositories] == [True, False]
    index = alpine.base / "served/main/x86_64/APKINDEX.tar.gz"
    index.write_bytes(b"nonsense")
    alpine.repositories.write_text(f"{served}/main\n")
    state = see(alpine, refresh="always")
    assert (state.metadata.refresh_ok, state.metadata.stale) == (False, True)


def test_stale(alpine, served):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.repositories.write_text(f"{served}/main\n")
    see(alpine, refresh="always")
    root, later = str(alpine.root), times.parse("2099-01-01T00:00:00Z")
    judged = _apk_repositories.judge(root, _apk_repositories.sources(root), 86400, later, None)
    assert judged.stale and "last refreshed" in judged.problems[0]


def test_lock_and_broken(alpine):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.add("tool")
    database = alpine.root / "lib/apk/db"
    assert locked_by(see(alpine).locks) == (None, [])
    with (database / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert locked_by(see(alpine).locks)[0].startswith(f"{os.getpid()} ")
    installed = database / "installed"
    installed.write_text(installed.read_text().replace("V:1-r0\n", "V:1-r0\nf:fs\n"))
    (database / "installed.new").touch()
    state = see(alpine)
    assert (state.health.half_configured, state.health.interrupted) == (["tool"], True)
    assert state.installed[0].state == "broken"


def test_the_document(alpine, monkeypatch):
    alpine.offer("main", alpine.package("tool", "1-r0"))
    alpine.add("tool")
    alpine.offer("main", alpine.package("tool", "2-r0"))
    monkeypatch.setattr(registry, "detect", lambda wanted: wanted)
    document = collect.collect(Options(manager="apk", root=str(alpine.root), scan_services=False)).document
    jsonschema.validate(document, SCHEMA)
    assert (document["counts"]["pending"], document["counts"]["security"]) == (1, None)


CHANGES = {
    "the world": lambda alpine: alpine.world.write_text("tool=1-r0\n"),
    "the database": lambda alpine: alpine.add("other"),
    "a repository's index": lambda alpine: alpine.offer("main", alpine.package("tool", "3-r0")),
    "the repositories": lambda alpine: alpine.offer("more", alpine.package("tool", "4-r0")),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_an_unchanged_host_is_remembered_and_a_change_noticed(alpine, monkeypatch, change):
    alpine.offer("main", alpine.package("tool", "1-r0"), alpine.package("other", "1-r0"))
    alpine.add("tool")
    alpine.offer("main", alpine.package("tool", "2-r0"), alpine.package("other", "1-r0"))
    monkeypatch.setattr(registry, "detect", lambda wanted: wanted)
    options = Options(manager="apk", root=str(alpine.root), scan_services=False)
    time.sleep(0.2)  # what is younger than the clock's tick is not remembered
    first = collect.collect(options).document
    again = collect.collect(options).document
    assert (first["unchanged_since"], again["unchanged_since"] is None) == (None, False)
    assert again["pending"] == first["pending"]
    CHANGES[change](alpine)
    assert collect.collect(options).document["unchanged_since"] is None
