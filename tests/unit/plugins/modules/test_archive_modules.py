# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two archive modules as Ansible calls them: parameters in, one JSON result out."""

from __future__ import annotations

import json

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state

pytest.importorskip("ansible.module_utils.testing", reason="ansible-core 2.19 or newer is not installed here")

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.proven.upkeep.plugins.modules import (
    backup_archive,
    backup_prune,
    backup_restore,
    restore_verify,
)


@pytest.fixture
def call(monkeypatch, tmp_path, capsys):
    """call(module, **parameters) -> (exit code, result)."""
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))

    def run(module, **parameters):
        capsys.readouterr()
        with patch_module_args(parameters), pytest.raises(SystemExit) as ended:
            module.main()
        return ended.value.code, json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def data(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").write_text("content")
    return {"name": "set", "paths": ["top"], "root": str(tmp_path), "dest": str(tmp_path / "out" / "a.tar.gz")}


def test_backup_then_verify(call, data):
    code, result = call(backup_archive, **data)
    assert (code, result["changed"], result["data"]["files"]) == (0, True, 1)
    code, again = call(backup_archive, **data)
    assert (code, again["changed"], again["data"]["unchanged"]) == (0, False, True)
    code, result = call(restore_verify, archive=data["dest"])
    assert (code, result["changed"], result["data"]["status"]) == (0, False, "ok")


def test_check_and_diff_mode(call, data, tmp_path):
    code, result = call(backup_archive, _ansible_check_mode=True, _ansible_diff=True, **data)
    assert code == 0 and result["changed"] and result["data"]["predicted"] and "diff" in result
    assert not (tmp_path / "out").exists()


def test_failures_have_a_code_and_one_line(call, data):
    code, result = call(backup_archive, **dict(data, paths=["nope"]))
    assert (code, result["failed"], result["error_code"]) == (1, True, "path_missing") and "\n" not in result["msg"]
    code, result = call(restore_verify, archive=data["dest"])
    assert (code, result["error_code"], result["data"]["status"]) == (1, "archive_missing", "failed")
    call(backup_archive, **data)
    code, result = call(restore_verify, archive=data["dest"], mode="extract", dest="/")
    assert (code, result["error_code"]) == (1, "bad_parameter")


def test_kept_restores_are_a_change(call, data, tmp_path):
    call(backup_archive, **data)
    there = str(tmp_path / "there")
    code, result = call(restore_verify, archive=data["dest"], mode="extract", dest=there, keep=True, checks=[["true"]])
    assert (code, result["changed"], result["data"]["dest"]) == (0, True, there)


def test_restore(call, data, tmp_path):
    call(backup_archive, **data)
    (tmp_path / "top" / "file").unlink()
    code, result = call(backup_restore, archive=data["dest"], _ansible_check_mode=True, _ansible_diff=True)
    assert (code, result["changed"], result["data"]["predicted"]) == (0, True, True)
    assert "top/file file" in result["diff"]["after"] and not (tmp_path / "top" / "file").exists()
    code, result = call(backup_restore, archive=data["dest"])
    assert (code, result["changed"], result["data"]["created"]) == (0, True, ["top/file"])
    code, result = call(backup_restore, archive=data["dest"])
    assert (code, result["changed"], result["data"]["status"]) == (0, False, "ok") and "diff" not in result
    (tmp_path / "top" / "file").write_text("newer")
    code, result = call(backup_restore, archive=data["dest"], _ansible_check_mode=True)
    assert (code, result["data"]["status"]) == (0, "incomplete")
    code, result = call(backup_restore, archive=data["dest"])
    assert (code, result["error_code"], result["data"]["status"]) == (1, "restore_refused", "incomplete")
    assert "top/file" in result["msg"] and "\n" not in result["msg"]
    code, result = call(backup_restore, archive=data["dest"], paths=["../x"])
    assert (code, result["error_code"]) == (1, "bad_parameter")


def test_history_prune_and_restore_by_time(call, data, tmp_path):
    for content in ("one", "two", "three"):
        (tmp_path / "top" / "file").write_text(content)
        code, result = call(backup_archive, history=True, **data)
        assert code == 0
    assert result["data"]["history"]["archives"] == 2
    oldest = result["data"]["history"]["newest"][-1]
    of_set = {"name": "set", "dest": data["dest"], "keep_last": 2}
    code, result = call(backup_prune, _ansible_check_mode=True, _ansible_diff=True, **of_set)
    assert (code, result["changed"], len(result["data"]["removed"])) == (0, True, 1)
    assert f"- {oldest['archive']} of" in result["diff"]["after"]
    code, result = call(backup_prune, verified=[oldest["sha256"]], **of_set)
    assert (code, result["changed"]) == (0, False) and "diff" not in result
    code, result = call(backup_restore, archive=data["dest"], at="2099-01-01", dest=str(tmp_path / "beside"))
    assert code == 0 and (tmp_path / "beside/top/file").read_text() == "three"
    for module in (backup_restore, restore_verify):
        code, result = call(module, archive=data["dest"], at="2000-01-01")
        assert (code, result["error_code"]) == (1, "archive_missing") and "\n" not in result["msg"]
    code, result = call(restore_verify, archive=oldest["archive"], compare="live")
    assert (code, result["error_code"]) == (1, "drift_found")
    code, result = call(backup_prune, **{**of_set, "keep_last": -1})
    assert (code, result["error_code"]) == (1, "bad_parameter")


def test_warnings_reach_the_operator(call, data, tmp_path, monkeypatch):
    # Caught on their way: beside the controller's side, Ansible shows them instead of returning them.
    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, warning, **more: warned.append(warning))
    (tmp_path / "link").symlink_to("top")
    call(backup_archive, **dict(data, paths=["link"]))
    assert "symbolic link" in str(warned)
