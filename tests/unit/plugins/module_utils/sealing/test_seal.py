# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives encrypted beside themselves, by the real programs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.sealing import programs, recipients, seal


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def seal_to(archive, *keys, program="auto", check=False):
    return seal.run(seal.Request(archive.path, list(keys), program), check)


def valid(document):
    """Fails unless it fits docs/schemas/sealed.json."""
    schema = json.loads((Path(__file__).parents[5] / "docs/schemas/sealed.json").read_text())
    pytest.importorskip("jsonschema").Draft202012Validator(schema).validate(document)


def failing(code, archive, *keys, **options):
    with pytest.raises(UpkeepError) as failed:
        seal_to(archive, *keys, **options)
    assert failed.value.code == code
    return failed.value.message


def opened(path, *identity):
    done = subprocess.run(["age", "-d", "-i", str(identity[0]), str(path)], capture_output=True, check=True)
    return done.stdout


def test_each_recipient_opens_archive_and_manifest(archive, age, age_other, ssh):
    done = seal_to(archive, age[1], ssh[1], age[1])
    data = done["data"]
    assert done["changed"] and data["program"] == "age"
    assert data["recipients"] == [age[1], ssh[1].rpartition(" break")[0]]
    for identity in (age[0], ssh[0]):
        assert hashlib.sha256(opened(data["archive"], identity)).hexdigest() == data["archive_sha256"]
        assert b"secret-name.txt" in gzip.decompress(opened(data["manifest"], identity))
    assert (data["sha256"], data["manifest_sha256"]) == (sha256(data["archive"]), sha256(data["manifest"]))
    assert data["bytes"] == os.path.getsize(data["archive"])
    assert data["archive_sha256"] == sha256(archive.path)
    valid(data)
    with pytest.raises(subprocess.CalledProcessError):
        opened(data["archive"], age_other[0])


def test_what_is_left_is_private_and_says_no_name(archive, age):
    data = seal_to(archive, age[1])["data"]
    names = ["a.tar.gz.age", "a.tar.gz.manifest.jsonl.gz.age", "sealed.json"]
    assert sorted(os.listdir(archive.sealed)) == names
    for name in names:
        path = Path(archive.sealed, name)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"secret-name" not in path.read_bytes()
    assert stat.S_IMODE(os.stat(archive.sealed).st_mode) == 0o700
    assert json.loads(Path(archive.sealed, "sealed.json").read_text())["document"] == data


def test_the_same_archive_for_the_same_keys_is_not_encrypted_anew(archive, age, age_other):
    first = seal_to(archive, age[1], age_other[1])
    again = seal_to(archive, age_other[1], age[1])
    assert (again["changed"], again["data"]) == (False, first["data"])
    fewer = seal_to(archive, age[1])
    assert fewer["changed"] and fewer["data"]["sha256"] != first["data"]["sha256"]
    archive.again()
    newer = seal_to(archive, age[1])
    assert newer["changed"] and newer["data"]["archive_sha256"] == sha256(archive.path)
    Path(newer["data"]["archive"]).write_bytes(b"cut")
    assert seal_to(archive, age[1])["changed"]
    assert opened(newer["data"]["archive"], age[0]) == Path(archive.path).read_bytes()


def test_check_mode_touches_nothing(archive, age):
    done = seal_to(archive, age[1], check=True)
    valid(done["data"])
    assert done["changed"] and done["data"]["sha256"] is None and not os.path.exists(archive.sealed)
    seal_to(archive, age[1])
    assert not seal_to(archive, age[1], check=True)["changed"]
    assert seal.remove(archive.path, check=True) and os.path.exists(archive.sealed)
    assert seal.remove(archive.path) and not os.path.exists(archive.sealed)
    assert not seal.remove(archive.path)


def test_gpg_where_age_is_missing(archive, age, gpg, monkeypatch, tmp_path):
    _private, public, fingerprint = gpg
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gpg").symlink_to(programs.found("gpg"))
    monkeypatch.setenv("PATH", str(tools))
    assert "install age" in failing("encryption_unavailable", archive, age[1])
    done = seal_to(archive, age[1], public)
    assert (done["data"]["program"], done["data"]["recipients"]) == ("gpg", [fingerprint])
    valid(done["data"])
    assert "not to 1 recipients" in done["warnings"][0]
    assert sorted(os.listdir(archive.sealed))[0] == "a.tar.gz.gpg"  # and no keyring is left
    packets = subprocess.run([str(tools / "gpg"), "--batch", "--list-packets", done["data"]["archive"]],
                             capture_output=True, text=True, check=False)  # fmt: skip
    assert "pubkey enc packet" in packets.stdout
    assert not seal_to(archive, age[1], public)["changed"]


def test_with_both_age_is_taken(archive, age, gpg):
    done = seal_to(archive, gpg[1], age[1])
    assert done["data"]["program"] == "age" and done["warnings"]
    assert "age has no key" in failing("bad_recipient", archive, gpg[1], program="age")


def test_a_private_key_is_refused_and_not_repeated(archive, age, ssh, gpg):
    for path in (age[0], ssh[0], gpg[0]):
        text = path.read_text()
        told = failing("private_key_given", archive, age[1], text)
        assert "number 2" in told
        assert not [line for line in text.splitlines() if len(line) > 20 and line in told]


@pytest.mark.parametrize("text", ["", "age1", "alice", "ssh-dss AAAAB3NzaC1kc3M=", "age1" + "q" * 58])
def test_what_is_no_public_key(archive, text):
    assert failing("bad_recipient" if len(text) < 50 else "encryption_failed", archive, text)
    assert not os.path.exists(archive.sealed)


def test_gpg_refuses_what_is_no_single_key(archive, gpg):
    broken = gpg[1].replace("\n\n", "\n\nAAAA", 1)
    assert "OpenPGP key" in failing("bad_recipient", archive, broken)


def test_an_archive_that_is_not_what_its_manifest_says_is_not_sealed(archive, age):
    content = bytearray(Path(archive.path).read_bytes())
    content[len(content) // 2] ^= 1
    Path(archive.path).write_bytes(content)
    assert "Back up once more" in failing("archive_damaged", archive, age[1])
    assert not os.path.exists(archive.sealed)
    Path(archive.path).write_bytes(content[:-5])
    failing("archive_damaged", archive, age[1])
    os.unlink(archive.path)
    failing("archive_missing", archive, age[1])


def test_leftovers_of_a_killed_run_are_swept(archive, age):
    os.makedirs(archive.sealed + "/.gnupg-old")
    Path(archive.sealed, "a.tar.gz.age.part").write_bytes(b"half")
    seal_to(archive, age[1])
    assert sorted(os.listdir(archive.sealed)) == [
        "a.tar.gz.age", "a.tar.gz.manifest.jsonl.gz.age", "sealed.json",
    ]  # fmt: skip


def test_a_link_in_the_way_is_not_followed(archive, age, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", archive.sealed)
    assert "in the way" in failing("seal_unwritable", archive, age[1])
    assert not os.listdir(tmp_path / "elsewhere")


def test_a_full_disk_leaves_nothing(archive, age, monkeypatch):
    tools = Path(archive.path).parent / "bin"
    tools.mkdir()
    # A program that writes more than the limit on file sizes of this process allows.
    (tools / "age").write_text("#!/bin/sh\ncat >/dev/null\nhead -c 3000000 /dev/zero\n")
    (tools / "age").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        told = failing("no_space", archive, age[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "as much room" in told and not os.path.exists(archive.sealed)


def test_a_backup_leaves_the_sealed_files_out(tmp_path, age):
    from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup

    top = tmp_path / "whole"
    top.mkdir()
    (top / "file").write_text("x")
    request = backup.Request(name="set", root=str(top), paths=["."], dest=str(top / "a.tar.gz"))
    backup.run(request)
    before = backup.run(request)["data"]["entries"]
    seal.run(seal.Request(request.dest, [age[1]]))
    assert backup.run(request._replace(force=True))["data"]["entries"] == before


def test_recipients_are_recognised():
    assert recipients.recognised("ssh-rsa " + "A" * 60 + " me@here") == ("age", "ssh-rsa " + "A" * 60)
    assert recipients.is_fingerprint("0xABCDEF0123456789") and not recipients.is_fingerprint("keys/backup.asc")
