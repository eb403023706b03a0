# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A vault, and places for copies of it: a folder, and real sshd of the test's own."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import places
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index

from tests.sshd import SSHD, Sshd

# What sftp-server refuses in order that nothing that is there can be taken away or altered.
APPEND_ONLY = "remove,rename,posix-rename,rmdir,setstat,fsetstat,lsetstat,symlink,hardlink"


class Vault:
    """The vault of a home; `add` puts an archive of web1's set data into it."""

    def __init__(self, home):
        self.home = home
        self.folder = home / index.VAULT

    def add(self, created, content=b"archive", manifest=b"manifest", **more):
        folder = index.place(self.home, "web1", "data")
        folder.mkdir(parents=True, exist_ok=True)
        stamp = created.replace("-", "").replace(":", "")
        archive, beside = f"{stamp}.tar.gz", f"{stamp}.tar.gz.manifest.jsonl.gz"
        (folder / archive).write_bytes(content)
        (folder / beside).write_bytes(manifest)
        sha256 = hashlib.sha256(content).hexdigest()
        one = index.Vaulted(
            host="web1", backup="data", created=created, pulled_at=created, archive=archive, bytes=len(content),
            sha256=sha256, archive_sha256=sha256, manifest=beside,
            manifest_sha256=hashlib.sha256(manifest).hexdigest(), files=1, machine={"nodename": "web1"},
        )  # fmt: skip
        one = replace(one, **more)
        index.add(folder, one)
        return one


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path / "home")


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """servers(kind) is a running sshd: plain (with a shell), sftp_only, or append_only."""
    if not SSHD:
        pytest.skip("sshd is missing (Debian: apt-get install openssh-server)")
    only = "ForceCommand internal-sftp -P " + APPEND_ONLY
    more = {"plain": (), "sftp_only": ("ForceCommand internal-sftp",), "append_only": (only,)}
    running = {}

    def server(kind):
        if kind not in running:
            folder = tmp_path_factory.mktemp(kind)
            running[kind] = Sshd(folder, more=more[kind]).start()
        return running[kind]

    yield server
    for one in running.values():
        one.stop()


def copy_on(sshd, path, **more):
    return {"name": "far", "sftp": sshd.alias, "path": str(path), "ssh_arguments": ["-F", str(sshd.config)], **more}


@pytest.fixture(params=["mounted", "sftp_only", "append_only"])
def place(request, tmp_path):
    """(copy, folder): each kind of place, and the folder on this machine that it is."""
    folder = tmp_path / "copy"
    if request.param == "mounted":
        folder.mkdir()
        return {"name": "disk", "path": str(folder), "require_mount": False}, folder
    sshd = request.getfixturevalue("servers")(request.param)
    return copy_on(sshd, folder, append_only=request.param == "append_only"), folder


@pytest.fixture
def opened(vault):
    """opened(copy): its place, to write."""
    return lambda copy: places.opened(copy, {}, vault.home, to_write=True)
