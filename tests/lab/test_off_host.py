# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup that survives its host, its site and its operator: dumped, pulled, copied, drilled, rebuilt."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import hosts
from tests.lab.conftest import INVENTORY
from tests.support import BIN

SECRET = f"pw-{os.urandom(8).hex()}"
ROWS = 20500  # 500 customers, 20,000 invoices
# The shop's own role has a password, and dumps over TCP with it.
WITH_PASSWORD = f"""runuser -u postgres -- psql -qc "alter role shop password '{SECRET}'" """
DATABASE = {
    "name": "database",
    "paths": ["/var/lib/shop"],
    "dumps": [
        {
            "name": "shop",
            "engine": "postgresql",
            "databases": ["shop"],
            "host": "127.0.0.1",
            "user": "shop",
            "secret": "shop_db",
        }
    ],
    "keep": {"last": 3},
}
COUNT = """runuser -u postgres -- psql -d shop -qAt \\
    -c 'select (select count(*) from customers) + (select count(*) from invoices)'"""
LISTING = "cd /var/lib/shop && find . -printf '%p %y %m %U:%G %T@\\n' | LC_ALL=C sort; sha256sum shop.db"


def key(clone):
    """The escrowed key of this clone, made as an operator would; its public half."""
    ran = upkeep(clone, "key", "new")
    assert ran.returncode == 0, ran.stderr
    return next(word for word in ran.stdout.split() if word.startswith("age1"))


def upkeep(clone, *arguments):
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(clone.path / "ansible.cfg"),
    }
    return subprocess.run(
        [sys.executable, "-m", "upkeep", *arguments],
        cwd=clone.path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@contextmanager
def processes_watched():
    """Every command line that any process of this machine had meanwhile; the lab's hosts are containers of it."""
    seen: set[bytes] = set()
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def nowhere(clone, secrets, said, seen):
    """None of the secrets is in what was written, said, or seen in a process list."""
    own = ("state/keys/backup.agekey",)
    for secret in secrets:
        assert secret not in said
        assert not any(secret.encode() in line for line in seen)
        found = subprocess.run(
            ["grep", "-rlF", "-e", secret, str(clone.path), *map(str, clone.path.parent.glob("runner-*"))],
            capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        assert [path for path in found if not path.endswith(own)] == []


@pytest.mark.once
def test_a_database_host_survives_its_loss(lab, clone, clone_at, tmp_path):
    lab.break_("db1", WITH_PASSWORD)
    lab.broken |= {"web1", "vault1"}
    public = key(clone)
    private = (clone.path / "state/keys/backup.agekey").read_text().split()[-1]
    # In a file: an extra variable would be in the process list.
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"backup_secrets": {"shop_db": SECRET}}))
    given = {
        "backup_sets": [DATABASE],
        "backup_encrypt_to": [public],
        "backup_identity": "state/keys/backup.agekey",
    }
    before = lab.shell("db1", LISTING)
    lab.shell("vault1", "rm -rf /var/copies/db1")  # what other tests copied there, as plain text

    def run(place, playbook, **more):
        return place.run(playbook, INVENTORY, cmdline=f"-e @{secrets}", **given, **more)

    with processes_watched() as seen:
        ran = run(clone, "maintain.yml", target="db1", restore_test_on="web1", restore_test_from="offsite")
    assert ran.rc == 0, ran.stdout
    nowhere(clone, [SECRET, private], ran.stdout, seen)
    clone.validate_documents()

    # In the vault and at the other site, neither as plain text.
    (vaulted,) = (clone.path / "backups/vault/db1/database").glob("*.tar.zst.age")
    there = lab.shell("vault1", "cd /var/copies/db1/database && sha256sum *.tar.zst.age").split()
    assert there == [hashlib.sha256(vaulted.read_bytes()).hexdigest(), vaulted.name]
    # Drilled on another machine from the other site's copy: opened, loaded into a server of its own, counted.
    proof = clone.json("backups/hosts/db1/database/last_restore.json")
    assert (proof["status"], proof["restored_on"]["host"], proof["sealed"]["opened_with"]) == ("ok", "web1", public)
    (shop,) = (dump for dump in proof["dumps"] if dump["database"] == "shop")
    assert (shop["tables"], shop["rows"], shop["rows_expected"], shop["ok"]) == (2, ROWS, ROWS, True)
    (entry,) = (each for each in clone.report()["backups"] if each["backup"] == "database")
    assert entry["proven"] and entry["problems"] == []
    assert lab.shell("web1", "runuser -u postgres -- psql -qAt -c 'select datname from pg_database'").split() == [
        "postgres", "template1", "template0",
    ]  # fmt: skip

    # The host, its controller and the vault are gone; what is left is the copy, and what was in escrow.
    lab.stop("db1")
    other = clone_at(tmp_path / "other" / "clone")
    (other.path / "state/keys").mkdir(parents=True, mode=0o700)
    shutil.copy2(clone.path / "state/keys/backup.agekey", other.path / "state/keys/backup.agekey")
    drill = {"disaster_of": "db1", "disaster_from": "offsite"}
    ran = run(other, "playbooks/disaster_drill.yml", target="web1", **drill)
    assert ran.rc == 0 and "/srv/disaster" not in lab.shell("web1", "find /srv -maxdepth 1"), ran.stdout
    with processes_watched() as seen:
        ran = run(other, "playbooks/disaster_drill.yml", target="web1", disaster_confirm="web1", **drill)
    assert ran.rc == 0, ran.stdout
    nowhere(other, [SECRET, private], ran.stdout, seen)
    other.validate_documents()
    assert lab.shell("web1", COUNT) == str(ROWS)
    assert lab.shell("web1", LISTING.replace("/var", "/srv/disaster/db1/var")) == before
    (told,) = (other.path / "backups/disaster_drills").glob("*.txt")
    assert "db1" in told.read_text() and "20,500" in told.read_text()

    # The host was installed anew, and is to be what it was.
    hosts.reset(lab.hosts["db1"], None)
    lab.shell("db1", "rm -rf /var/lib/shop; runuser -u postgres -- dropdb shop; runuser -u postgres -- dropuser shop")
    ran = run(
        other, "playbooks/disaster_drill.yml", target="db1", disaster_confirm="db1", disaster_rebuild=True,
        disaster_in_place=["database"], **drill,
    )  # fmt: skip
    assert ran.rc == 0, ran.stdout
    assert (lab.shell("db1", COUNT), lab.shell("db1", LISTING)) == (str(ROWS), before)


@pytest.mark.once
def test_a_pull_whose_connection_is_cut_twice(lab, clone):
    """Over a slow line, so that there is a middle; whoever serves the file is killed there, as a dead link would."""
    lab.break_("web1", "mkdir /srv/big; head -c 60000000 /dev/urandom >/srv/big/noise")
    lab.shell("web1", "tc qdisc add dev eth0 root tbf rate 60mbit burst 64kb latency 50ms")
    cuts = []

    def cut():
        part = lambda: sum(path.stat().st_size for path in clone.path.glob("backups/vault/web1/big/*.part*"))  # noqa: E731
        for size in (10_000_000, 30_000_000):
            until = time.monotonic() + 60
            while part() < size and time.monotonic() < until:
                time.sleep(0.05)
            cuts.append(part())
            lab.shell("web1", "pkill -KILL sftp-server")

    cutter = threading.Thread(target=cut)
    cutter.start()
    ran = clone.run(
        "playbooks/backup.yml", INVENTORY, target="web1", backup_only=["big"], backup_copies=[],
        backup_sets=[{"name": "big", "paths": ["/srv/big"]}],
    )  # fmt: skip
    cutter.join()
    assert ran.rc == 0, ran.stdout
    assert len(cuts) == 2 and 10_000_000 <= cuts[0] < cuts[1], cuts
    document = clone.json("backups/hosts/web1/big/vault.json")
    assert document["connections"] == 3 and document["status"] == "ok", document
    (archive,) = clone.path.glob("backups/vault/web1/big/*.tar.zst")
    there = lab.shell("web1", "sha256sum /var/lib/upkeep/archives/big.tar.zst").split()[0]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == there == document["archive_sha256"]


@pytest.mark.once
def test_the_same_with_restic(lab, clone, clone_at, tmp_path):
    """A repository on a REST server with a password; the host is wiped, and rebuilt from that alone."""
    lab.broken |= {"web2", "vault1"}
    password = f"pw-{os.urandom(8).hex()}"
    lab.shell("web2", "sed -i /^Condition/d /etc/systemd/system/shop-database.service; /usr/local/sbin/shop-database")
    lab.shell(
        "vault1",
        f"systemd-run -q -E RCLONE_USER=shop -E RCLONE_PASS={SECRET} rclone serve restic --addr :8000 /var/restic",
    )
    secrets = tmp_path / "secrets.json"
    own = {"repository": password, "rest_password": SECRET}
    secrets.write_text(json.dumps({"backup_secrets": own}))
    database = {**DATABASE, "dumps": [{"name": "shop", "engine": "postgresql", "databases": ["shop"]}]}
    given = {
        "target": "web2",
        "backup_sets": [database],
        "backup_engine": "restic",
        "backup_restic": {
            "repository": f"rest:http://{hosts.address(lab.hosts['vault1'])}:8000/fleet",
            "password": "repository",
            "environment": {"RESTIC_REST_PASSWORD": "rest_password"},
            "settings": {"RESTIC_REST_USERNAME": "shop"},
        },
    }
    before = lab.shell("web2", LISTING)

    with processes_watched() as seen:
        ran = clone.run("maintain.yml", INVENTORY, cmdline=f"-e @{secrets}", **given)
    assert ran.rc == 0, ran.stdout
    nowhere(clone, [SECRET, password], ran.stdout, seen)
    clone.validate_documents()
    proof = clone.json("backups/hosts/web2/database/last_restore.json")
    (shop,) = (dump for dump in proof["dumps"] if dump["database"] == "shop")
    assert (proof["status"], proof["engine"], shop["rows"]) == ("ok", "restic", ROWS)
    (entry,) = (each for each in clone.report()["backups"] if each["backup"] == "database")
    assert entry["proven"] and entry["problems"] == [], entry

    hosts.reset(lab.hosts["web2"], None)
    lab.shell("web2", "rm -rf /var/lib/shop")
    other = clone_at(tmp_path / "other" / "clone")
    ran = other.run(
        "playbooks/disaster_drill.yml", INVENTORY, cmdline=f"-e @{secrets}", disaster_of="web2", disaster_rebuild=True,
        disaster_in_place=["database"], disaster_confirm="web2", disaster_sets=[database], **given,
    )  # fmt: skip
    assert ran.rc == 0, ran.stdout
    nowhere(other, [SECRET, password], ran.stdout, [])
    other.validate_documents()
    assert (lab.shell("web2", COUNT), lab.shell("web2", LISTING)) == (str(ROWS), before)
