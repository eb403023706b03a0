# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`make restore`: what there is, and the run that it starts."""

from __future__ import annotations

import json
import shlex
from argparse import Namespace
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from upkeep import restore

SHA = "5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4"


@pytest.fixture
def options():
    """options(host="web1") -> as the command line gives them."""

    def make(**given):
        names = ("host", "set", "at", "paths", "dumps", "dest", "overwrite", "inventory", "home")
        return Namespace(**{**dict.fromkeys(names, ""), "yes": False, "arguments": [], **given})

    return make


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Evidence of three sets: a proven one, one that changed since its drill, and one that was never drilled."""

    def put(host: str, name: str, drilled: str | None, status: str = "ok") -> None:
        folder = tmp_path / "backups/hosts" / host / name
        folder.mkdir(parents=True)
        base = {"host": host, "backup": name}
        success = {**base, "sha256": SHA, "created": "2026-11-23T08:34:03Z", "bytes": 5, "archive": f"/a/{name}.tar.gz"}
        (folder / "last_success.json").write_text(json.dumps(success))
        if drilled:
            scope = {"mode": "extract", "paths": [], "sample": None, "coverage_pct": 100.0}
            document = {**base, "archive_sha256": drilled, "status": status, "scope": scope}
            (folder / "last_restore.json").write_text(json.dumps(document))

    put("web1", "etc", SHA)
    put("web1", "srv", "0" * 64)
    put("web2", "etc", None)
    put("web2", "srv", SHA, "failed")
    monkeypatch.setenv("UPKEEP_HOME", str(tmp_path))
    return tmp_path


WHOLE = {"scope": {"mode": "extract", "coverage_pct": 100.0}}


@pytest.fixture
def with_history(home):
    """web1's etc has two older archives, of which one was drilled; and more than are listed."""
    success = home / "backups/hosts/web1/etc/last_success.json"
    document = json.loads(success.read_text())
    older = [
        {"created": f"2026-11-{day}T08:34:03Z", "archive": f"/a/etc.history/{day}.tar.gz", "sha256": sha, "bytes": 4000,
         "files": 1200}
        for day, sha in ((22, "2" * 64), (21, "1" * 64))
    ]  # fmt: skip
    document["history"] = {"archives": 5, "bytes": 9000, "newest": older}
    success.write_text(json.dumps(document))
    drills = home / "backups/proofs"
    drills.mkdir()
    for stamp, sha, status in (("A", "1" * 64, "failed"), ("B", "1" * 64, "ok"), ("C", "2" * 64, "failed")):
        proof = {"host": "web1", "backup": "etc", "archive_sha256": sha, "status": status, "finished": stamp, **WHOLE}
        (drills / f"2026{stamp}-web1-etc.json").write_text(json.dumps(proof))
    return home


def test_the_list(home, options, capsys):
    assert restore.run(options(home=str(home))) == 0
    lines = capsys.readouterr().out.splitlines()
    told = {tuple(line.split()[:2]): line for line in lines[1:5]}
    assert set(told) == {("web1", "etc"), ("web1", "srv"), ("web2", "etc"), ("web2", "srv")}
    for pair, proven in {
        ("web1", "etc"): "yes", ("web1", "srv"): "no: of an older archive",
        ("web2", "etc"): "never", ("web2", "srv"): "no: failed",
    }.items():  # fmt: skip
        assert f"  {proven}  " in told[pair] and told[pair].endswith(f"/a/{pair[1]}.tar.gz")
    assert restore.run(options(home=str(home), host="web2")) == 0
    assert "web1 " not in capsys.readouterr().out.split("\n\n")[0]


def test_every_archive_is_listed(with_history, options, capsys):
    assert restore.run(options(home=str(with_history), host="web1")) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("HOST SET CREATED AGE SIZE FILES PROVEN ARCHIVE")
    assert [line.partition(" etc ")[2].split()[0] for line in lines[1:5]] == [
        "2026-11-23T08:34:03Z", "2026-11-22T08:34:03Z", "2026-11-21T08:34:03Z", "and",
    ]  # fmt: skip
    assert lines[2].endswith("4.0 kB 1,200 no: failed /a/etc.history/22.tar.gz")
    assert lines[3].endswith("4.0 kB 1,200 yes /a/etc.history/21.tar.gz")
    assert lines[4] == "web1 etc and 3 older ones"


@pytest.mark.parametrize(
    "drill, told",
    [
        ({"scope": {"level": "hash", "coverage_pct": 0.0}, "level_reached": "hash"}, "no: its hash alone"),
        ({"scope": {"sample": {"part": 1, "of": 7}, "coverage_pct": 14.3}}, "in part: 14.3 %"),
    ],
)
def test_an_older_archive_is_proven_as_far_as_its_drills_went(with_history, options, capsys, drill, told):
    proof = {"host": "web1", "backup": "etc", "archive_sha256": "1" * 64, "status": "ok", "finished": "B", **drill}
    (with_history / "backups/proofs/2026B-web1-etc.json").write_text(json.dumps(proof))
    assert restore.run(options(home=str(with_history), host="web1")) == 0
    assert f"  {told}  " in capsys.readouterr().out.splitlines()[3]


def test_what_lies_in_the_vault(with_history, options, capsys):
    folder = index.place(with_history, "web1", "etc")
    folder.mkdir(parents=True)
    for created, digest in (("2026-11-23T08:34:03Z", SHA), ("2026-10-01T00:00:00Z", "e" * 64)):
        name = created.replace("-", "").replace(":", "") + ".tar.gz"
        (folder / name).write_bytes(b"12345")
        index.add(folder, index.Vaulted("web1", "etc", created, created, name, 5, digest, digest))
    assert restore.run(options(home=str(with_history), host="web1")) == 0
    listed = [line.strip() for line in capsys.readouterr().out.splitlines() if "vault" in line]
    assert len(listed) == 2 and listed[0].endswith("/a/etc.tar.gz (and in the vault)")
    assert "2026-10-01T00:00:00Z" in listed[1]
    assert listed[1].endswith("backups/vault/web1/etc/20261001T000000Z.tar.gz (the vault alone)")


def test_nothing_to_list(home, options, capsys):
    assert restore.run(options(home=str(home), host="nobody")) == 1
    assert "no backup of nobody" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"set": "etc"}, {"yes": True}, {"yes": True, "host": "web1"}])
def test_too_little_to_restore(home, options, capsys, given):
    assert restore.run(options(home=str(home), **given)) == 2
    assert "HOST and SET" in capsys.readouterr().err


def test_the_run(options):
    given = options(host="web 1", set="etc", paths="/etc/a b,/etc/it's", dest="/x;y", arguments=["-v"], inventory="i")
    argv = restore.command(given)
    assert argv[-2:] == ["--check", "--diff"] and argv[:4] == ["ansible-playbook", "-i", "i", "-v"]
    assert json.loads(argv[argv.index("-e") + 1]) == {
        "target": "web 1", "restore_set": "etc", "restore_paths": ["/etc/a b", "/etc/it's"], "restore_dest": "/x;y",
    }  # fmt: skip
    line = shlex.split(restore.for_real(given))
    assert line == [
        "make", "restore", "INVENTORY=i", "HOST=web 1", "SET=etc", "PATHS=/etc/a b,/etc/it's", "DEST=/x;y", "YES=1",
    ]  # fmt: skip
    given = options(host="web1", set="etc", paths=" /etc/a, /etc/b ,, ")
    assert json.loads(restore.command(given)[-3])["restore_paths"] == ["/etc/a", "/etc/b"]
    given = options(host="web1", set="etc", at="2026-11-21", yes=True)
    assert json.loads(restore.command(given)[-1])["restore_at"] == "2026-11-21"
    assert "AT=2026-11-21" in restore.for_real(given)
    given.yes = True
    assert "--check" not in restore.command(given)
    assert Path(restore.ROOT / "playbooks/restore.yml").exists()
