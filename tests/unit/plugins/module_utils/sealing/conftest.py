# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the sealing tests share: a real archive, and real keys of age, SSH and OpenPGP."""

from __future__ import annotations

import os
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch):
    """Nothing of these tests lands in the machine's own state folder."""
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))


@pytest.fixture
def archive(tmp_path):
    """The path of an archive with its manifest; `again()` writes another in its place."""
    top = tmp_path / "top"
    top.mkdir()
    (top / "secret-name.txt").write_text("the content")
    (top / "large").write_bytes(os.urandom(700_000))
    request = backup.Request(name="set", root=str(tmp_path), paths=["top"], dest=str(tmp_path / "out/a.tar.gz"))
    backup.run(request)

    def again():
        (top / "more").write_bytes(os.urandom(10))
        backup.run(request)

    return SimpleNamespace(path=request.dest, sealed=request.dest + ".sealed", again=again)


def need(program):
    if not shutil.which(program):
        pytest.skip(f"no {program} here")


def age_key(path):
    """(identity file, public key)"""
    need("age")
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    shown = subprocess.run(["age-keygen", "-y", str(path)], check=True, capture_output=True, text=True)
    return path, shown.stdout.strip()


@pytest.fixture
def age(tmp_path):
    return age_key(tmp_path / "key.age")


@pytest.fixture
def age_other(tmp_path):
    return age_key(tmp_path / "other.age")


@pytest.fixture
def ssh(tmp_path):
    need("age")
    need("ssh-keygen")
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "break glass", "-f", str(path)], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


@pytest.fixture
def gpg(tmp_path_factory):
    """(exported private key, armored public key, fingerprint)"""
    need("gpg")
    gpgconf = shutil.which("gpgconf")
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"]
    try:
        make = [*base, "--quick-generate-key", "backup@example.org", "future-default", "default", "never"]
        subprocess.run(make, check=True, capture_output=True)
        shown = subprocess.run(
            [*base, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True
        ).stdout
        fingerprint = next((line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr")), "")
        public = subprocess.run([*base, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
        private = home / "private.asc"
        exported = subprocess.run([*base, "--armor", "--export-secret-keys"], check=True, capture_output=True).stdout
        private.touch(0o600)
        private.write_bytes(exported)
        yield private, public, fingerprint
    finally:
        subprocess.run([gpgconf, "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
