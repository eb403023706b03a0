# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opening what was sealed, with real keys: the right one, a wrong one, an exposed one; a damaged file."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import public_keys, sealing

CONTENT = os.urandom(300_000)


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, **options).stdout


@pytest.fixture
def age(tmp_path):
    """(identity file, public key)"""
    for program in ("age", "ssh-keygen"):
        if not shutil.which(program):
            pytest.skip(f"no {program} here")
    run("age-keygen", "-o", tmp_path / "key.age")
    return tmp_path / "key.age", run("age-keygen", "-y", tmp_path / "key.age").decode().strip()


@pytest.fixture
def ssh(tmp_path):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", tmp_path / "id")
    return tmp_path / "id", (tmp_path / "id.pub").read_text().rpartition(" ")[0]


@pytest.fixture
def gpg(tmp_path_factory):
    """(exported private key, fingerprint, armored public key, its keyring)"""
    if not shutil.which("gpg"):
        pytest.skip("no gpg here")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    base = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    try:
        run(*base, "--quick-generate-key", "backup@example.org", "future-default", "default", "never")
        shown = run(*base, "--with-colons", "--list-keys").decode()
        fingerprint = next((line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr")), "")
        private = home / "private.asc"
        private.touch(0o600)
        private.write_bytes(run(*base, "--armor", "--export-secret-keys"))
        yield private, fingerprint, run(*base, "--armor", "--export").decode(), home
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)


def age_sealed(folder, *keys):
    sealed = folder / "a.tar.gz.age"
    sealed.write_bytes(run("age", *(word for key in keys for word in ("-r", key)), input=CONTENT))
    return sealed


def unopened(sealed, identity, program="age"):
    dest = sealed.with_name("opened")
    with pytest.raises(UpkeepError) as failed:
        sealing.open_sealed(sealed, dest, identity, program)
    assert not dest.exists() and not list(sealed.parent.glob("opened*"))
    assert failed.value.code == "sealed_unopened"
    return failed.value.details["why"], failed.value.message


def test_age_and_ssh_keys_open_it(age, ssh, tmp_path):
    sealed = age_sealed(tmp_path, age[1], ssh[1])
    for identity, public in (age, ssh):
        dest = tmp_path / "made" / identity.name
        sealing.open_sealed(sealed, dest, identity, "age")
        assert dest.read_bytes() == CONTENT and dest.stat().st_mode & 0o777 == 0o600
        assert sealing.identity_fingerprint(identity) == public


def test_gpg_keys_open_it(gpg, tmp_path):
    private, fingerprint, public, _home = gpg
    (tmp_path / "pub.asc").write_text(public)
    sealed = tmp_path / "a.gpg"
    sealed.write_bytes(
        run("gpg", "--homedir", _home, "--batch", "--trust-model", "always", "--encrypt", "-f", tmp_path / "pub.asc",
            input=CONTENT)
    )  # fmt: skip
    sealing.open_sealed(sealed, tmp_path / "opened", private, "gpg")
    assert (tmp_path / "opened").read_bytes() == CONTENT
    assert sealing.identity_fingerprint(private) == fingerprint
    damaged = bytearray(sealed.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    sealed.write_bytes(damaged)
    (tmp_path / "opened").unlink()
    assert unopened(sealed, private, "gpg")[0] == "damaged"


@pytest.fixture
def short():
    """A folder with a short name: an agent's socket in it has at most 108 characters, of which pytest's takes most."""
    with tempfile.TemporaryDirectory(prefix="g", dir="/tmp") as folder:
        yield Path(folder)


def test_the_keyring_of_a_killed_run_is_removed(gpg, short, monkeypatch):
    monkeypatch.setattr(sealing, "_in_memory", lambda: str(short))
    for pid in (os.getpid(), 2**22 + 1):
        (short / f"upkeep-gpg-{pid}-left").mkdir()
    assert sealing.identity_fingerprint(gpg[0]) == gpg[1]
    assert [path.name for path in short.glob("upkeep-gpg-*")] == [f"upkeep-gpg-{os.getpid()}-left"]


def test_a_wrong_key(age, gpg, tmp_path):
    run("age-keygen", "-o", tmp_path / "other")
    why, told = unopened(age_sealed(tmp_path, age[1]), tmp_path / "other")
    assert why == "wrong_key" and "not encrypted to the key" in told


def test_a_gpg_file_and_another_key(gpg, age, tmp_path):
    (tmp_path / "pub.asc").write_text(gpg[2])
    sealed = tmp_path / "a.gpg"
    sealed.write_bytes(
        run("gpg", "--homedir", gpg[3], "--batch", "--trust-model", "always", "--encrypt", "-f", tmp_path / "pub.asc",
            input=CONTENT)
    )  # fmt: skip
    assert unopened(sealed, age[0], "gpg")[0] == "wrong_key"


@pytest.mark.parametrize("at", [0.5, 0.999, "cut", "empty"])
def test_a_damaged_file(age, tmp_path, at):
    sealed = age_sealed(tmp_path, age[1])
    content = bytearray(sealed.read_bytes())
    if at == "cut":
        content = content[: len(content) // 2]
    elif at == "empty":
        content = b""
    else:
        content[int(len(content) * at)] ^= 1
    sealed.write_bytes(content)
    why, told = unopened(sealed, age[0])
    assert why == "damaged" and "take another archive" in told


def test_a_key_with_a_passphrase_does_not_hang(ssh, age, tmp_path):
    run("ssh-keygen", "-q", "-p", "-N", "much longer", "-P", "", "-f", ssh[0])
    assert unopened(age_sealed(tmp_path, ssh[1]), ssh[0])[0] == "passphrase"
    with pytest.raises(UpkeepError) as failed:
        sealing.identity_fingerprint(ssh[0])
    assert failed.value.code == "identity_unusable"


def test_identities_that_are_refused(age, tmp_path):
    def refusal(path):
        with pytest.raises(UpkeepError) as failed:
            sealing.check_identity(path)
        return failed.value.code

    sealing.check_identity(age[0])
    assert refusal(tmp_path / "none") == refusal(tmp_path) == "identity_missing"
    for mode in (0o640, 0o604, 0o620):
        age[0].chmod(mode)
        assert refusal(age[0]) == "identity_exposed"
    age[0].chmod(0o600)
    if os.geteuid() == 0:
        os.chown(age[0], 12345, -1)
        assert refusal(age[0]) == "identity_exposed"


def test_a_program_that_is_missing(age, tmp_path, monkeypatch):
    sealed = age_sealed(tmp_path, age[1])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unopened(sealed, age[0])[0] == "no_program"


def test_public_keys_by_file_and_by_fingerprint(age, ssh, gpg, tmp_path, monkeypatch):
    (tmp_path / "age.pub").write_text(f"# escrowed\n{age[1]}\n")
    (tmp_path / "key.asc").write_text(gpg[2])
    (tmp_path / "key.gpg").write_bytes(run("gpg", "--homedir", gpg[3], "--batch", "--export"))
    monkeypatch.setenv("GNUPGHOME", str(gpg[3]))
    told = public_keys.texts(["age.pub", str(tmp_path / "id.pub"), "key.asc", "key.gpg", gpg[1], age[1]], tmp_path)
    assert told[:2] == [age[1], (tmp_path / "id.pub").read_text().strip()] and told[5] == age[1]
    for armored in told[2:5]:
        shown = run("gpg", "--batch", "--show-keys", "--with-colons", input=armored.encode()).decode()
        assert gpg[1] in shown and "sec:" not in shown


def test_private_keys_are_refused_wherever_they_stand(age, ssh, gpg, tmp_path, monkeypatch):
    (tmp_path / "secret.gpg").write_bytes(run("gpg", "--batch", "--dearmor", input=gpg[0].read_bytes()))
    for given in (str(age[0]), str(ssh[0]), str(gpg[0]), str(tmp_path / "secret.gpg"), age[0].read_text()):
        with pytest.raises(UpkeepError) as failed:
            public_keys.texts([age[1], given], tmp_path)
        assert "PRIVATE" in failed.value.message and "number 2" in failed.value.message
        assert "AGE-SECRET-KEY-1" not in failed.value.message
    with pytest.raises(UpkeepError) as failed:
        public_keys.texts(["nothing/of/that/name"], Path("/nonexistent"))
    assert failed.value.code == "bad_recipient"
