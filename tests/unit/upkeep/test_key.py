# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep key` and what doctor says of keys, with real ones."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from upkeep import __main__ as command
from upkeep import doctor


@pytest.fixture
def key(tmp_path, capsys):
    """key("new", …) -> (exit code, what was printed)"""
    if not shutil.which("age-keygen"):
        pytest.skip("no age here")

    def run(*arguments):
        code = command.main(["key", *arguments, "--home", str(tmp_path / "home")])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_new_key_its_lines_and_the_reminder(key, tmp_path):
    code, told = key("new")
    path = tmp_path / "home/state/keys/backup.agekey"
    assert code == 0 and path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    public = subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True).stdout.strip()
    assert f'backup_encrypt_to: ["{public}"]' in told and "backup_identity: state/keys/backup.agekey" in told
    assert "--public" in told and "escrow" in told and "AGE-SECRET-KEY-1…" in told
    secret = path.read_text().splitlines()[-1]
    assert secret.startswith("AGE-SECRET-KEY-") and secret not in told
    assert [name for name in os.listdir(path.parent) if name != ".upkeep-evidence"] == ["backup.agekey"]

    before = path.read_bytes()
    code, told = key("new")
    assert code == 1 and "never overwritten" in told and path.read_bytes() == before

    code, told = key("show")
    assert code == 0 and public in told and "escrow" not in told
    assert key("check", "--public", public)[0] == 0
    code, told = key("check", "--public", "age1other")
    assert code == 1 and "another key" in told


def test_keys_that_are_exposed_missing_or_none(key, tmp_path):
    code, told = key("show")
    assert code == 1 and "bring the escrowed key" in told
    copy = tmp_path / "copy"
    key("new", "--file", str(copy))
    copy.chmod(0o644)
    code, told = key("check", "--file", str(copy))
    assert code == 1 and "chmod 0600" in told
    copy.chmod(0o600)
    copy.write_text("hello\n")
    code, told = key("check", "--file", str(copy))
    assert code == 1 and "does not hold exactly one private key" in told


def test_a_copy_is_the_key_only_if_it_is_this_one(key, tmp_path):
    copy, other, home_key = tmp_path / "copy", tmp_path / "other", tmp_path / "home/state/keys/backup.agekey"
    _code, told = key("new", "--file", str(copy))
    public = next(line.split()[-1] for line in told.splitlines() if line.startswith("The public key"))
    code, told = key("check", "--file", str(copy))
    assert code == 1 and "--public" in told and "nothing to compare" in told  # nothing here says which key it should be
    assert key("check", "--file", str(copy), "--public", public)[0] == 0

    home_key.parent.mkdir(parents=True)
    shutil.copy2(copy, home_key)
    code, told = key("check", "--file", str(copy))
    assert code == 0 and str(home_key) in told and public in told
    key("new", "--file", str(other))
    code, told = key("check", "--file", str(other))
    assert code == 1 and "another key" in told and public in told
    # What is given by name stands before what lies here.
    assert key("check", "--file", str(copy), "--public", "age1other")[0] == 1
    code, told = key("check")
    assert code == 0 and "no copy" in told


def test_without_age(key, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, told = key("new")
    assert code == 1 and len(told.splitlines()) == 1, told
    assert "apt-get install age" in told and not (tmp_path / "home/state/keys").exists()


@pytest.mark.parametrize("action", ["show", "check"])
def test_a_key_without_age(key, tmp_path, monkeypatch, action):
    assert key("new")[0] == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    code, told = key(action)
    assert code == 1 and len(told.splitlines()) == 1 and "has no age-keygen" in told and "install age" in told, told


def test_doctor_names_exposed_keys(tmp_path, monkeypatch):
    keys = tmp_path / "state/keys"
    keys.mkdir(parents=True)
    for name, mode in (("backup.agekey", 0o640), ("other.agekey", 0o600), ("sign.pub", 0o644)):
        (keys / name).touch()
        (keys / name).chmod(mode)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert [need.debian for need in doctor._key_needs()] == [f"chmod 0600 {keys / 'backup.agekey'}"]
