# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host is lost; another machine, the escrowed secrets and a copy are all that there is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from tests.sshd import SSHD, Sshd

DRILL = "playbooks/disaster_drill.yml"


@pytest.fixture
def lost(clone, refuses, tmp_path, monkeypatch):
    """(inventory, sets, copy): the vault has two sets of web1, which nobody can reach any more."""
    data = tmp_path / "srv/data"
    (data / "sub").mkdir(parents=True)
    for number in range(5):
        (data / "sub" / f"file{number}").write_text(f"{number}\n" * 100)
    (data / "link").symlink_to("sub/file1")
    with contextlib.closing(sqlite3.connect(data / "shop.db")) as shop:
        shop.execute("create table orders (id integer)")
        shop.executemany("insert into orders values (?)", [(number,) for number in range(42)])
        shop.commit()
    (tmp_path / "srv/conf").mkdir()
    (tmp_path / "srv/conf/app.conf").write_text("works = yes\n")
    dumps = [{"name": "shop", "engine": "sqlite", "path": str(data / "shop.db")}]
    checks = [{"name": "parses", "argv": ["grep", "-rq", "works = yes", "."]}]
    sets = [
        {"name": "data", "paths": [str(data)], "dest": str(tmp_path / "web1/data.tar.gz"), "dumps": dumps},
        {
            "name": "conf",
            "paths": [str(tmp_path / "srv/conf")],
            "dest": str(tmp_path / "web1/conf.tar.gz"),
            "checks": checks,
        },
    ]
    with monkeypatch.context() as host:
        host.setenv("UPKEEP_STATE_DIR", str(tmp_path / "web1/state"))
        for one in sets:
            request = backup.Request(one["name"], one["paths"], one["dest"], dumps=one.get("dumps", []))
            _into_the_vault(clone.path, one["name"], backup.run(request)["data"])
    shutil.rmtree(tmp_path / "srv")
    shutil.rmtree(tmp_path / "web1")
    inventory = clone.inventory({"web1": {**refuses, "backup_sets": sets}, "drill1": {}})
    return inventory, sets, {"name": "disk", "path": str(tmp_path / "disk"), "require_mount": False}


def _into_the_vault(home: Path, name: str, made: dict) -> None:
    folder = index.place(home, "web1", name)
    folder.mkdir(parents=True)
    stamp = made["created"].replace("-", "").replace(":", "")
    archive, manifest = f"{stamp}.tar.gz", f"{stamp}.tar.gz.manifest.jsonl.gz"
    shutil.copy(made["archive"], folder / archive)
    shutil.copy(made["manifest"], folder / manifest)
    index.add(
        folder,
        index.Vaulted(
            host="web1", backup=name, created=made["created"], pulled_at=made["created"], archive=archive,
            bytes=made["bytes"], sha256=made["sha256"], archive_sha256=made["sha256"], manifest=manifest,
            manifest_sha256=hashlib.sha256((folder / manifest).read_bytes()).hexdigest(), files=made["files"],
            machine={"nodename": "web1", "machine_id": None},
        ),
    )  # fmt: skip


def drill(clone, inventory, **more):
    return clone.run(DRILL, inventory, target="drill1", disaster_of="web1", **more)


def documents(clone):
    return [json.loads(path.read_text()) for path in sorted(clone.path.glob("backups/disaster_drills/*.json"))]


def test_a_lost_host_is_rebuilt_from_the_vault(clone, lost, tmp_path):
    inventory, _sets, _copy = lost
    dest = tmp_path / "dest"
    killed = clone.path / "state/disaster/drill9%20data"
    killed.mkdir(parents=True)
    (killed / "data.tar").write_bytes(b"opened")
    ran = drill(clone, inventory, disaster_dest=str(dest))
    assert ran.rc == 0, ran.stdout
    assert "dry run: 2 sets to rebuild" in ran.stdout and "disaster_confirm=drill1" in ran.stdout
    assert not dest.exists() and documents(clone) == []

    ran = drill(clone, inventory, disaster_dest=str(dest), disaster_confirm="drill1")
    assert ran.rc == 0, ran.stdout
    assert "web1 is back: 2 sets" in ran.stdout
    assert (dest / str(tmp_path).lstrip("/") / "srv/data/sub/file3").read_text() == "3\n" * 100
    assert not (dest / ".upkeep-dumps").exists()  # loaded, and in the archive
    (document,) = documents(clone)
    assert (document["status"], document["host"], document["drill_host"]) == ("ok", "web1", "drill1")
    sets = {one["backup"]: one for one in document["sets"]}
    assert sets["data"]["entries"] >= 8 and sets["conf"]["checks"][0]["ok"]
    assert [step["status"] for step in sets["data"]["steps"]] == ["ok"] * 5 + ["not_done"]
    (database,) = sets["data"]["databases"]
    assert (database["ok"], database["rows"], database["rows_expected"]) == (True, 42, 42)
    with contextlib.closing(sqlite3.connect(tmp_path / "srv/data/shop.db")) as shop:
        assert shop.execute("select count(*) from orders").fetchone() == (42,)
    assert all(one["duration_ms"] <= document["duration_ms"] for one in document["sets"])
    text = next(clone.path.glob("backups/disaster_drills/*.txt")).read_text()
    assert "REBUILT" in text and "NOT PROVEN" in text and "the vault" in text and "parses: passed" in text
    (seen,) = [one for one in clone.observations() if one["phase"] == "disaster_drill" and one["status"] == "ok"]
    assert seen["host"] == "drill1"
    assert not [path for path in (clone.path / "state").glob("disaster/*") if path.suffix != ".lock"]
    clone.validate_documents()


@pytest.fixture
def over_ssh(tmp_path):
    """A drill host's variables: this machine, through a real sshd."""
    if not SSHD:
        pytest.skip("sshd is missing (Debian: apt-get install openssh-server)")
    sshd = Sshd(tmp_path / "sshd").start()
    yield {
        "ansible_connection": "ssh", "ansible_host": sshd.alias, "ansible_ssh_args": f"-F {sshd.config}",
        "ansible_remote_tmp": str(tmp_path / "remote"),
    }  # fmt: skip
    sshd.stop()


@pytest.mark.once
def test_nothing_but_a_copy_in_a_fresh_home(clone, lost, over_ssh, tmp_path):
    _inventory, _sets, copy = lost
    shutil.move(clone.path / "backups/vault", copy["path"])
    for name in ("backups", "runs", "state", "reports", "audits"):
        shutil.rmtree(clone.path / name, ignore_errors=True)
    options = {"backup_copies": [copy], "disaster_from": "disk", "disaster_confirm": "drill1"}
    alone = clone.inventory({"drill1": over_ssh})  # the inventory lost it, too
    ran = drill(clone, alone, disaster_in_place="data,conf", **options)
    # Nobody says any more which databases the set had, and none is loaded unasked.
    assert ran.rc != 0 and "the set names no dumps" in ran.stdout, ran.stdout
    assert (tmp_path / "srv/data/sub/file3").exists() and (tmp_path / "srv/conf/app.conf").exists()
    (document,) = documents(clone)
    assert document["sets"][0]["steps"][1]["step"] == "hand_over" and not list((tmp_path / "remote").glob("*/*"))
    assert document["from"] == "disk" and len(document["sets"]) == 2 and document["status"] == "incomplete"

    # A damaged archive in the copy: that set is not back, the other is.
    archive = next((Path(copy["path"]) / "web1/conf").glob("*.tar.gz"))
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    ran = drill(clone, clone.inventory({"drill1": {}}), disaster_dest=str(tmp_path / "again"), **options)
    assert ran.rc != 0 and "copy_damaged" in ran.stdout
    assert {one["backup"]: one["status"] for one in documents(clone)[-1]["sets"]} == {
        "data": "incomplete", "conf": "failed",
    }  # fmt: skip
    clone.validate_documents()


@pytest.mark.once
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"target": "web9"}, "Nothing was done"),
        ({"disaster_of": "drill1"}, "disaster_rebuild=true"),
    ],
)
def test_accidents_are_refused(clone, more, told, tmp_path):
    given = {"target": "drill1", "disaster_of": "web1", "disaster_confirm": "drill1", **more}
    ran = clone.run(DRILL, clone.inventory({"web1": {}, "drill1": {}}), disaster_dest=str(tmp_path / "x"), **given)
    assert ran.rc != 0
    assert told in " ".join(ran.stdout.split()), ran.stdout
    assert "Traceback" not in ran.stdout and not (tmp_path / "x").exists()
