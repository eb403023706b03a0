# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The actions of copies and of the disaster drill that work on the controller alone, in this process."""

from __future__ import annotations

import hashlib
import json
import os
from types import SimpleNamespace

import pytest
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.proven.upkeep.plugins.action import (
    backup_copy,
    disaster_plan,
    disaster_report,
    disaster_restore,
    vault_take,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, locks
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

pytestmark = pytest.mark.once
FAR = {"name": "a", "path": "/", "sftp": "x"}
CREATED = "2026-11-22T09:00:00Z"


@pytest.fixture(name="act")
def act_fixture(tmp_path, monkeypatch):
    from ansible import context

    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=("x.yml",)))
    for name in ("UPKEEP_RUN_ID", "UPKEEP_HOME", "PROJ"):
        monkeypatch.delenv(name, raising=False)

    def run(plugin, check=False, **arguments):
        known = {"inventory_hostname": "web1", "upkeep_home": str(tmp_path / "home")}
        task = SimpleNamespace(action=plugin.__name__, args=arguments, check_mode=check, async_val=0, diff=True)
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        templar = Templar(loader=DataLoader(), variables=known)
        return plugin.ActionModule(task, connection, None, DataLoader(), templar, None).run(None, known)

    folder = index.place(tmp_path / "home", "web1", "etc")
    folder.mkdir(parents=True)
    (folder / "20261122T090000Z.tar.gz").write_bytes(b"archive")
    sha256 = hashlib.sha256(b"archive").hexdigest()
    one = index.Vaulted(
        host="web1", backup="etc", created=CREATED, pulled_at=CREATED, archive="20261122T090000Z.tar.gz", bytes=7,
        sha256=sha256, archive_sha256=sha256, machine={"nodename": "web1", "machine_id": "0a1b"},
    )  # fmt: skip
    index.add(folder, one)
    return run


def test_a_copy_and_what_is_taken_from_it(act, tmp_path):
    copy = {"name": "disk", "path": str(tmp_path / "disk"), "require_mount": False}
    planned = act(backup_copy, check=True, backup="etc", copy=copy, keep={"last": 2})
    assert planned["changed"] and planned["data"]["predicted"] and not (tmp_path / "disk").exists()
    made = act(backup_copy, backup="etc", copy=copy, keep={"last": 2}, secrets={"a": "s3cr3t"})
    assert made["changed"] and "20261122T090000Z.tar.gz" in made["diff"]["after"] and "s3cr3t" not in json.dumps(made)
    place = evidence.copy_place(tmp_path / "home", "web1", "etc", "disk")
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(made["data"]))
    assert backup_copy.last_seen(tmp_path / "home", "web1", "etc", "disk").keys() == {CREATED}
    again = act(backup_copy, backup="etc", copy=copy)
    assert not again["changed"] and again["data"]["reverified"]["last"]

    given = {"backup": "etc", "from": "disk", "copies": [copy], "dest": str(tmp_path / "taken")}
    assert act(vault_take, check=True, **given)["skipped"]
    taken = act(vault_take, **given)
    assert (tmp_path / "taken/20261122T090000Z.tar.gz").read_bytes() == b"archive"
    assert (taken["taken_from"], taken["manifest"], taken["opened_with"]) == ("disk", None, None)
    assert act(vault_take, **{**given, "from": "vault"})["origin"].endswith("vault/web1/etc/20261122T090000Z.tar.gz")


def test_where_encryption_is_on_the_plain_ones_stay(act, tmp_path):
    copy = {"name": "disk", "path": str(tmp_path / "disk"), "require_mount": False}
    made = act(backup_copy, backup="etc", copy=copy, sealed_only=True)
    assert not made["changed"] and made["data"]["left_plain"] == 1 and not list((tmp_path / "disk").rglob("*.tar.gz"))


def test_a_copy_proves_no_origin(act, tmp_path):
    home, copy = tmp_path / "home", {"name": "disk", "path": str(tmp_path / "disk"), "require_mount": False}
    act(backup_copy, backup="etc", copy=copy)
    given = {"backup": "etc", "from": "disk", "copies": [copy], "dest": str(tmp_path / "taken")}
    assert act(vault_take, **given)["known_by"] == "vault"
    (one,) = index.entries(home, "web1", "etc")
    index.remove(index.place(home, "web1", "etc"), one)
    assert act(vault_take, **given)["known_by"] is None
    place = evidence.place(home, "web1", "etc") / "last_success.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    for sha256, known in ((one.archive_sha256, "evidence"), ("0" * 64, None)):
        place.write_text(json.dumps({"host": "web1", "backup": "etc", "created": CREATED, "sha256": sha256}))
        taken = act(vault_take, **given)
        assert taken.get("known_by") == known
    assert taken["error_code"] == "copy_foreign" and "the evidence here" in taken["msg"]


@pytest.mark.parametrize(
    ("plugin", "arguments", "code"),
    [
        (backup_copy, {"backup": "etc", "copy": {"name": "a", "path": "/"}}, "copy_not_mounted"),
        (backup_copy, {"backup": "etc", "copy": {**FAR, "secret": "b"}}, "secret_missing"),
        (backup_copy, {"backup": "etc", "copy": {"name": "a", "path": "/"}, "keep": {"hourly": 1}}, "bad_keep"),
        (vault_take, {"backup": "etc", "from": "a", "dest": "/nowhere"}, "copy_unknown"),
        (vault_take, {"backup": "var", "dest": "/nowhere"}, "vault_missing"),
        (disaster_plan, {"host": "db1"}, "vault_missing"),
        (disaster_plan, {"host": "web1", "only": ["shop"]}, "vault_missing"),
        (disaster_plan, {"host": "web1", "in_place": ["ect"]}, "bad_parameter"),
        (disaster_plan, {"host": "web1", "machine_id": "0a1b"}, "drill_on_lost_host"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(act, plugin, arguments, code):
    failed = act(plugin, **arguments)
    assert failed["failed"] and failed["error_code"] == code, failed
    assert plugin is not backup_copy or code == "bad_keep" or failed["data"]["copy"] == "a"


def test_a_plan_and_a_report_of_it(act, tmp_path):
    sets = [{"name": "shop", "checks": []}, {"name": "big", "engine": "restic"}, {"name": "workflows"}]
    left = tmp_path / "home/state/disaster/web1%20etc"
    left.mkdir(parents=True)
    plan = act(disaster_plan, check=True, host="web1", sets=sets)
    assert left.exists()
    plan = act(disaster_plan, host="web1", sets=sets)
    assert not left.exists()
    assert [one["name"] for one in plan["sets"]] == ["etc", "shop"] and plan["restic"] == [sets[1]]
    elsewhere = {"in_place": ["shop"], "machine_id": "ffff"}
    for more in (elsewhere, {"machine_id": ""}, {"machine_id": "0a1b", "rebuild": True}):
        assert act(disaster_plan, host="web1", sets=sets, **more)["sets"] == plan["sets"]
    given = {"host": "web0", "results": [], "from": "vault", "started": plan["started"]}
    assert "file" not in act(disaster_report, check=True, **given)
    written = act(disaster_report, **given)
    assert written["data"]["status"] == "failed" and "nothing_restored" in written["data"]["reason"]
    assert json.loads((tmp_path / "home/backups/disaster_drills").glob("*-web0-on-web1.json").__next__().read_text())


def test_a_set_that_another_drill_is_at(act, tmp_path, monkeypatch):
    monkeypatch.setattr(disaster_restore, "_PATIENCE_S", 0)
    monkeypatch.setattr(disaster_restore.ActionModule, "TRANSFERS_FILES", False)
    folder = tmp_path / "home/state/disaster/web1%20etc"
    folder.mkdir(parents=True)
    with locks.exclusive(folder.with_name("web1%20etc.lock"), 0):
        failed = act(disaster_restore, host="web1", backup="etc")
    assert failed["error_code"] == "locked" and f"process {os.getpid()}" in failed["msg"] and folder.exists()
    assert failed["data"]["status"] == "failed" and "locked" in failed["data"]["reason"]
