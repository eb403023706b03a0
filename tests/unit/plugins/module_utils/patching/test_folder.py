# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host remembers of its patch runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder

RUN = "20261123T200102Z-4711"


def begun(patch_id=RUN):
    folder.save(folder.Folder(patch_id).state, folder.new_state(patch_id, "web1", {"user": "ann"}))


def code(function, *arguments, **more):
    with pytest.raises(UpkeepError) as caught:
        function(*arguments, **more)
    return caught.value.code


def test_state_is_private_and_survives(state_folder):
    begun()
    entry = {"state": "preflight", "status": "ok"}
    folder.note(RUN, [entry], stage="planned", drained=True)
    folder.note(RUN, stage="protected")
    known = folder.state_of(RUN)
    assert (known["stage"], known["drained"], known["states"]) == ("protected", True, [entry])
    path = state_folder / "patch" / "runs" / RUN / "state.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert {each.stat().st_mode & 0o777 for each in (state_folder, path.parent, path.parent.parent)} == {0o700}


@pytest.mark.parametrize("wrong", ["", "..", "../x", "a/b", ".hidden", "x" * 129, "a\n"])
def test_no_run_id_leaves_the_folder(state_folder, wrong):
    assert code(folder.Folder, wrong) == "bad_patch_id"


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\xff"])
def test_damage_is_told(state_folder, content):
    begun()
    Path(folder.Folder(RUN).plan).write_text(content, encoding="latin-1")
    assert code(folder.plan_of, RUN) == "patch_unreadable"


def test_unknown_run_names_those_that_are_known(state_folder):
    begun()
    with pytest.raises(UpkeepError, match=RUN) as caught:
        folder.state_of("20261123T200102Z-9")
    assert caught.value.code == "unknown_run"
    assert code(folder.note, "20261123T200102Z-9", stage="planned") == "unknown_run"


def test_a_state_that_cannot_be_written_is_told(state_folder, monkeypatch):
    begun()

    def full(*_arguments):
        raise OSError(28, "No space left")

    monkeypatch.setattr(folder.atomic, "write_json", full)
    assert code(folder.note, RUN, stage="planned") == "state_unwritable"
    assert folder.state_of(RUN)["stage"] == "begun"


def test_only_root_may(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert code(folder.needs_root) == "needs_root"


def test_runs_by_age(state_folder):
    assert folder.run_ids() == []
    for age, name in enumerate(("c", "a", "b")):
        begun(name)
        os.utime(folder.Folder(name).state, (1000 - age, 1000 - age))
    assert folder.run_ids() == ["b", "a", "c"]
