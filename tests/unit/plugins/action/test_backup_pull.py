# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action that pulls, with a host whose answers are made up."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
from ansible_collections.proven.upkeep.plugins.action.backup_pull import ActionModule
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Pulls(ActionModule):
    """Of a host on this machine that has `archives` one after the other, each as it is asked what it offers."""

    def __init__(self, folder, archives, sealed=None):
        self._given = {"archive": "a", "backup": "etc", "requires_root": False, "program": "auto"}
        self._connection = SimpleNamespace(transport="local")
        self.folder, self.archives, self.sealed, self.asked = folder, archives, sealed or [], []

    def inventory_name(self):
        return "web1"

    def _ask(self, module, given, lost=False):
        self.asked.append(module)
        if module == "backup_seal":
            if given.get("state") == "absent":
                return {}
            content = self.sealed.pop(0) if len(self.sealed) > 1 else self.sealed[0]
            (self.folder / "sealed").write_bytes(b"sealed " + content)
            return {"archive": str(self.folder / "sealed"), "bytes": 7 + len(content),
                    "sha256": sha(b"sealed " + content),
                    "manifest": str(self.folder / "m"), "manifest_bytes": 1, "manifest_sha256": sha(b"m"),
                    "archive_sha256": sha(content), "program": "age", "recipients": ["k"],
                    "at": "2026-11-23T08:00:00Z"}  # fmt: skip
        content = self.archives.pop(0) if len(self.archives) > 1 else self.archives[0]
        for name, text in (("a", content), ("m", b"m")):
            (self.folder / name).write_bytes(text)
        return {"archive": str(self.folder / "a"), "bytes": len(content), "sha256": sha(content), "suffix": ".tar",
                "manifest": str(self.folder / "m"), "manifest_bytes": 1, "manifest_sha256": sha(b"m"), "files": 1,
                "created": "2026-11-23T08:00:00Z", "machine": {}}  # fmt: skip


@pytest.fixture
def vault(tmp_path):
    (tmp_path / "vault").mkdir()
    return tmp_path / "vault"


def test_what_was_sealed_is_another_archive_than_was_offered(tmp_path, vault):
    pulls = Pulls(tmp_path, [b"old", b"new"], [b"new"])
    told = pulls._brought(vault, ["k"], times.now())
    assert (told["archive_sha256"], told["sha256"]) == (sha(b"new"), sha(b"sealed new"))
    assert pulls.asked == ["backup_pull", "backup_seal", "backup_pull", "backup_seal", "backup_seal"]


@pytest.mark.parametrize(
    ("offers", "code"), [([b"one"], "vault_mismatch"), ([b"one", b"two", b"three"], "archive_changed")]
)
def test_what_is_sealed_is_never_what_is_offered(tmp_path, vault, offers, code):
    with pytest.raises(UpkeepError) as raised:
        Pulls(tmp_path, offers, [b"other"])._brought(vault, ["k"], times.now())
    assert raised.value.code == code and list(vault.glob("*.json")) == []
