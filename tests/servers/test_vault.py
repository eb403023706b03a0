# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plays that pull archives over SSH from an sshd of the test's own, as `ansible-playbook` runs them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from tests.sshd import SSHD, Sshd, make_key

ROOT = Path(__file__).resolve().parents[2]
SCHEMA, ENTRY_SCHEMA = (json.loads((ROOT / f"docs/schemas/{name}.json").read_text()) for name in ("vault", "vaulted"))
pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd (apt install openssh-server)")

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Pull
      proven.upkeep.backup_pull:
        archive: "{archives}/{{{{ inventory_hostname }}}}/etc.tar.gz"
        backup: etc
        keep_last: "{{{{ keep_last | default(3) }}}}"
        recipients: "{{{{ recipients | default([]) }}}}"
"""
SUDO = """#!/bin/sh
prompt=; while [ $# -gt 0 ]; do case $1 in -H|-n|-S) shift;; -p) prompt=$2; shift 2;; -u) shift 2;;
  --) shift; break;; *) break;; esac; done
[ -z "$prompt" ] || { printf %s "$prompt" >&2; IFS= read -r given; [ "$given" = "s3cret-of-sudo" ] || exit 1; }
ps axww -o args= >>"$0.seen"
exec "$@"
"""


class Fleet:
    """Hosts of an inventory that are all this machine, over SSH; `pull` runs the play and says what came of it."""

    def __init__(self, folder: Path, server: Sshd, hosts: dict[str, dict]) -> None:
        self.folder, self.server, self.hosts, self.home = folder, server, hosts, folder / "home"
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.results = folder / "results"
        self.change()
        self.write()

    def write(self) -> None:
        inventory = {"all": {"hosts": self.hosts, "vars": {
            "ansible_host": "there", "ansible_connection": "ssh", "upkeep_home": str(self.home),
            "ansible_ssh_common_args": f"-F {self.server.config}", "ansible_python_interpreter": sys.executable,
        }}}  # fmt: skip
        (self.folder / "inventory.json").write_text(json.dumps(inventory))
        (self.folder / "play.yml").write_text(PLAY.format(archives=self.folder / "archives"))

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "UPKEEP_", "PROJ"))}
        # Control sockets' paths may be 100 characters long, so theirs is the folder of the sshd.
        clean.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
                     ANSIBLE_NOCOLOR="1", ANSIBLE_LOCAL_TEMP=str(self.folder / "tmp"), ANSIBLE_HOST_KEY_CHECKING="0",
                     ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1", ANSIBLE_CALLBACKS_ENABLED="results",
                     ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/servers/callbacks"), RESULTS=str(self.results),
                     ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=20s",
                     ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.server.folder / "c"))  # fmt: skip
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "-i", str(self.folder / "inventory.json"), str(self.folder / "play.yml"), *arguments], clean

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.command(*arguments)
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )

    def pull(self, *arguments: str) -> dict:
        """The one host's result."""
        shutil.rmtree(self.results, ignore_errors=True)
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        result = self.result(next(iter(self.hosts)))
        jsonschema.validate(result["data"], SCHEMA)
        return result

    def result(self, name: str) -> dict:
        return json.loads((self.results / name).read_text())

    def entries(self, name: str = "web1") -> list[index.Vaulted]:
        return index.entries(self.home, name, "etc")

    def place(self, name: str = "web1") -> Path:
        return index.place(self.home, name, "etc")

    def archive(self, name: str = "web1") -> Path:
        return self.folder / "archives" / name / "etc.tar.gz"

    def change(self, size: int = 3_000_000) -> None:
        """Back up something new: once, for all hosts."""
        (self.tree / "one").write_bytes(os.urandom(size))
        first, *others = (self.archive(name) for name in self.hosts)
        if first.exists():
            time.sleep(1.1)  # archives are named for whole seconds
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("UPKEEP_STATE_DIR", str(self.folder / "state"))
            backup.run(backup.Request("etc", [str(self.tree)], str(first), compression="gz", level=1))
        for other in others:
            shutil.copytree(first.parent, other.parent, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield server
    server.stop()


@pytest.fixture
def fleet(shared, tmp_path):
    shared.trust()
    shared.configure()
    return Fleet(tmp_path, shared, {"web1": {}})


def test_pulled_unchanged_predicted_and_pruned(fleet):
    first = fleet.pull()
    assert first["changed"] and first["data"]["way"] == "sftp" and not first["data"]["unchanged"]
    (entry,) = fleet.entries()
    assert (fleet.place() / entry.archive).read_bytes() == fleet.archive().read_bytes()
    beside = Path(f"{fleet.archive()}.manifest.jsonl.gz").read_bytes()
    assert (fleet.place() / entry.manifest).read_bytes() == beside
    assert first["data"]["pulled_bytes"] == entry.bytes + len(beside)
    assert entry.machine["nodename"] == os.uname().nodename
    assert sorted(path.name for path in fleet.place().iterdir()) == sorted([".lock", *entry.names])
    jsonschema.validate(json.loads((fleet.place() / entry.entry).read_text()), ENTRY_SCHEMA)

    fleet.change()
    assert fleet.pull()["data"]["removed"] == []
    before = [one.created for one in fleet.entries()]
    assert len(before) == 2
    predicted = fleet.pull("--check", "-e", "keep_last=1", "--diff")
    assert predicted["changed"] and predicted["data"]["predicted"] and predicted["data"]["unchanged"]
    assert [one["created"] for one in predicted["data"]["removed"]] == before[1:]
    assert [one.created for one in fleet.entries()] == before
    done = fleet.pull("-e", "keep_last=1")
    assert done["data"]["unchanged"] and done["data"]["pulled_bytes"] == 0 and done["data"]["kept"]["archives"] == 1
    assert [one["created"] for one in done["data"]["removed"]] == before[1:]
    assert len(list(fleet.place().iterdir())) == 5  # three files, the lock, and when it was looked at


def age_key(folder: Path) -> tuple[Path, str]:
    path = folder / "identity"
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    return path, subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True).stdout.strip()


def test_ways(shared, tmp_path):
    """By connection and by how the task becomes who it is: one play, a host for each."""
    sudo = tmp_path / "sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    become = {"ansible_become": True, "ansible_become_method": "ansible.builtin.su", "ansible_become_user": "root"}
    hosts = {
        "here": {"ansible_connection": "local"},
        "pieces": become,
        "sftp-same-user": {**become, "ansible_user": "root"},
        "sftp-sudo": {"ansible_become": True, "ansible_become_user": "backup", "ansible_become_exe": str(sudo),
                      "ansible_become_password": "s3cret-of-sudo"},
    }  # fmt: skip
    identity, public = age_key(tmp_path) if shutil.which("age") else (None, None)
    if public:
        hosts["sftp-sealed"] = {"recipients": [public]}
    fleet = Fleet(tmp_path, shared, hosts)
    done = fleet.run("-v")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in hosts:
        assert fleet.result(name)["data"]["way"] == name.partition("-")[0]
        (entry,) = fleet.entries(name)
        pulled = fleet.place(name) / entry.archive
        if entry.sealed:
            assert entry.archive.endswith(".tar.gz.age") and entry.manifest.endswith(".manifest.jsonl.gz.age")
            assert entry.sealed["recipients"] == [public] and not Path(f"{fleet.archive(name)}.sealed").exists()
            pulled = fleet.folder / "opened"
            subprocess.run(["age", "-d", "-i", identity, "-o", pulled, fleet.place(name) / entry.archive], check=True)
        assert pulled.read_bytes() == fleet.archive(name).read_bytes()
        assert hashlib.sha256(pulled.read_bytes()).hexdigest() == entry.archive_sha256
    seen = Path(f"{sudo}.seen").read_text()
    assert "sftp-server" in seen and "s3cret-of-sudo" not in seen + done.stdout + done.stderr


def test_host_keys_count_whatever_ansible_was_told(shared, tmp_path):
    """ANSIBLE_HOST_KEY_CHECKING is off here, as ansible-runner has it: the tasks get through, the archive does not."""
    shared.configure()
    configs = {"host_key_unknown": "/dev/null", "host_key_changed": str(tmp_path / "known")}
    public = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    Path(configs["host_key_changed"]).write_text(f"[127.0.0.1]:{shared.port} {public}")
    hosts = {}
    for name, known in configs.items():
        config = tmp_path / f"{name}.config"
        config.write_text(shared.config.read_text().replace(str(shared.known_hosts), known))
        hosts[name] = {"ansible_ssh_common_args": f"-F {config}"}
    fleet = Fleet(tmp_path, shared, hosts)
    done = fleet.run()
    assert done.returncode == 2, done.stdout
    for name in hosts:
        assert f"error_code: {name}" in done.stdout and not fleet.entries(name), done.stdout


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in listed.stdout.split()]


def test_a_killed_controller_goes_on(fleet):
    fleet.change(60_000_000)
    command, environment = fleet.command()
    process = subprocess.Popen(
        command, env=environment, cwd=fleet.folder, stdout=subprocess.DEVNULL, start_new_session=True
    )
    until = time.monotonic() + 120
    part = None
    while time.monotonic() < until and (part is None or part.stat().st_size < 5_000_000):
        part = next(iter(fleet.place().glob("*.tar.gz.part")), None) if fleet.place().exists() else None
        assert process.poll() is None, "it ended before it could be killed"
    for pid in [process.pid, *children(process.pid)]:  # workers have sessions of their own
        os.kill(pid, 9)
    process.wait()
    there = part.stat().st_size
    assert not fleet.entries()
    done = fleet.pull()
    assert done["data"]["resumed_from"] >= there >= 5_000_000
    assert done["data"]["pulled_bytes"] < done["data"]["bytes"]
    assert (fleet.place() / fleet.entries()[0].archive).read_bytes() == fleet.archive().read_bytes()


def test_twenty_hosts_at_once(shared, tmp_path):
    shared.trust()
    shared.configure()
    names = [f"web{number}" for number in range(20)]
    fleet = Fleet(tmp_path, shared, {name: {} for name in names})
    fleet.pull("--forks", "20")
    for name in names:
        (entry,) = fleet.entries(name)
        assert (fleet.place(name) / entry.archive).read_bytes() == fleet.archive(name).read_bytes()
        assert fleet.result(name)["data"]["way"] == "sftp"
