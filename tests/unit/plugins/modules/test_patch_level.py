# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module as Ansible runs it: arguments as JSON on stdin, the answer as JSON on stdout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
pytest.importorskip("ansible.module_utils.basic")


def run(check=False, env=None, **options):
    arguments = {"ANSIBLE_MODULE_ARGS": dict(options, _ansible_check_mode=check)}
    import ansible

    path = os.pathsep.join([str(ROOT / "collections"), str(Path(ansible.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins/modules/patch_level.py")],
        input=json.dumps(arguments),
        env=dict(env or os.environ, PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    "options, code",
    [({"max_age": -1}, "invalid_option")],
)
def test_failures_carry_a_code(options, code):
    rc, result = run(**options)
    assert rc == 1
    assert (result["failed"], result["error_code"]) == (True, code)
    assert "Traceback" not in result["msg"] and "\n" not in result["msg"]


def test_an_unknown_choice_is_refused():
    rc, result = run(manager="yum")
    assert rc == 1 and "value of manager must be one of" in result["msg"]


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not on this machine")
def test_this_machine_in_check_mode(tmp_path):
    env = dict(os.environ, UPKEEP_STATE_DIR=str(tmp_path))
    rc, result = run(check=True, env=env, manager="apt", refresh="always", scan_services=False)
    assert rc == 0, result
    assert result["changed"] is False
    assert result["data"]["schema"] == "upkeep.patch_level/1"
    assert result["data"]["metadata"]["refresh_ok"] is None
    assert list(tmp_path.iterdir()) == []
