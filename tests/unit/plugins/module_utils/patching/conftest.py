# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A state folder of the test's own, and a host with packages that are files."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import changes, registry
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action
from ansible_collections.proven.upkeep.plugins.module_utils.patching import begin, folder, plan, snapshot

from tests import toy_manager

RUN = "20261123T200102Z-4711"


@pytest.fixture
def state_folder(tmp_path, monkeypatch):
    """Where the host remembers things."""
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


class ToyHost:
    """The host's packages, and the files of its runs."""

    def __init__(self, top):
        self.top = top
        for name in ("installed", "available", "fails", "half", "left"):
            (top / name).mkdir(parents=True)
        self.slow(0)

    def slow(self, seconds):
        (self.top / "slow").write_text(str(seconds))

    def put(self, kind, **versions):
        for name, version in versions.items():
            (self.top / kind / name).write_text(version)

    def installed(self):
        return {path.name: path.read_text() for path in (self.top / "installed").iterdir()}

    def history(self):
        path = self.top / "history"
        return path.read_text().splitlines() if path.exists() else []

    def plan(self, patch_id, *actions):
        """A plan of these (action, name, from, to) in the run's folder; its hash."""
        named = [
            {"action": action, "name": name, "arch": "all", "from": before, "to": after}
            for action, name, before, after in actions
        ]
        sha256 = plan.sha256("web1", "apt", None, [Action.of(each) for each in named])
        drawn_up = {"schema": "upkeep.plan/1", "host": "web1", "manager": "apt", "policy_sha256": None}
        folder.save(folder.Folder(patch_id).plan, {**drawn_up, "actions": named, "plan_sha256": sha256})
        return sha256


@pytest.fixture
def toy(tmp_path, state_folder, monkeypatch):
    """A host with openssl 1 and zlib 1 installed, and openssl 2 available."""
    host = ToyHost(tmp_path / "toy")
    host.put("installed", openssl="1", zlib="1")
    host.put("available", openssl="2", zlib="1")
    monkeypatch.setenv("UPKEEP_TOY", str(host.top))
    monkeypatch.setitem(changes.CHANGES, "apt", toy_manager.Apt)
    monkeypatch.setattr(registry, "detect", lambda wanted: "apt")
    monkeypatch.setattr(snapshot, "take", lambda: {"units": {"failed": [], "active": []}, "listening": [], "boot": {}})
    monkeypatch.setattr(folder, "needs_root", lambda: None)
    monkeypatch.setattr(folder, "_LOCK_WITHIN_S", 10)
    return host


def by(process="ctl1/7/boot/1"):
    return {"user": "ann", "controller": process.partition("/")[0], "process": process}


@pytest.fixture
def begun(toy):
    """begun(run_id=RUN, process=…, **more) -> patch_begin's data."""

    def run(run_id=RUN, process="ctl1/7/boot/1", **more):
        return begin.begin(begin.Request(run_id, "web1", by(process), **more))

    return run
