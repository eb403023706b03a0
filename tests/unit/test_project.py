# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must agree across files of the project itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import tomllib
import yaml
from jsonschema import Draft202012Validator

from lab import fleet

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    return yaml.safe_load((ROOT / name).read_text())


def test_one_version_everywhere():
    galaxy = load("galaxy.yml")["version"]
    code = re.search(r'VERSION = "(.+)"', (ROOT / "plugins/module_utils/version.py").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert code and galaxy == code.group(1) == project


def test_execution_environments_get_what_a_clone_gets():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    listed = (ROOT / "requirements.txt").read_text().splitlines()
    theirs = {line for line in listed if line and not line.startswith("#")}
    assert {line for line in project if not line.startswith("ansible-")} == theirs
    assert load("meta/execution-environment.yml")["dependencies"] == {"python": "requirements.txt"}


def test_the_lab_and_its_inventory_name_the_same_hosts():
    groups = load("inventories/lab/hosts.yml")["all"]["children"]
    for prefix in ("", "ring_"):
        named = [
            host for group, it in groups.items() if group.startswith("ring_") == bool(prefix) for host in it["hosts"]
        ]
        assert sorted(named) == sorted(host.name for host in fleet.HOSTS if host.managed)


def test_two_labs_never_share_a_connection():
    # Ansible's own name for a shared connection goes by the host's name alone; %C goes by its address.
    assert "%%C" in load("inventories/lab/group_vars/all.yml")["ansible_control_path"]


def _each_key_once(pairs):
    """A key that stands twice, as two merged parts may leave it, counts only where it stands last."""
    assert len(dict(pairs)) == len(pairs), [key for key, _value in pairs]
    return dict(pairs)


@pytest.mark.parametrize("path", sorted((ROOT / "docs/schemas").glob("*.json")), ids=lambda path: path.name)
def test_schemas_are_schemas_named_for_their_file(path):
    schema = json.loads(path.read_text(), object_pairs_hook=_each_key_once)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].split("/")[0] == f"upkeep.{path.stem}"


def test_every_module_is_in_the_action_group():
    group = {name.split(".")[-1] for name in load("meta/runtime.yml")["action_groups"]["upkeep"]}
    assert group == {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir()))
def test_role_variables_carry_its_name_and_are_specified(role):
    defaults = load(f"roles/{role}/defaults/main.yml") or {}
    specs = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    specified = set().union(*(spec.get("options", {}) for spec in specs.values()))
    for name in defaults:
        assert name.startswith((f"{role}_", f"__{role}_"))
        assert name.startswith("__") or name in specified, f"{name} is not in argument_specs"
    # Without one in the spec, null counts as not given; the defaults stand in one place.
    for spec in specs.values():
        assert not [name for name, option in spec.get("options", {}).items() if "default" in option]
    # A survey may leave a question without an answer as null.
    patch = load("roles/patch/meta/argument_specs.yml")["argument_specs"] if role == "patch" else {}
    for spec in patch.values():
        assert not [
            name for name, each in (spec.get("options") or {}).items() if None not in each.get("choices", [None])
        ]


def test_the_sets_of_both_roles_have_the_same_options():
    backup = load("roles/backup/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    restore = load("roles/restore_test/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert backup["backup_sets"]["options"] == restore["restore_test_sets"]["options"]


def test_host_side_code_imports_no_controller_side_code():
    for path in [*(ROOT / "plugins/modules").glob("*.py"), *(ROOT / "plugins/module_utils").glob("**/*.py")]:
        text = path.read_text()
        assert "plugin_utils" not in text, path
        if "module_utils" in path.parts:
            assert not re.search(r"^\s*(import|from) ansible\b", text, re.M), path


def test_a_drill_takes_from_escrow_what_backups_were_made_with():
    made, drilled = (
        load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
        for role in ("backup", "disaster")
    )
    for name in ("backup_secrets", "backup_engine", "backup_restic", "backup_copies", "backup_identity"):
        of_backup, of_disaster = made[name], drilled[name]
        assert set(of_backup.get("options") or {}) == set(of_disaster.get("options") or {}), name
        assert of_backup.get("no_log") == of_disaster.get("no_log") and of_backup["type"] == of_disaster["type"]
