# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The main job on real hosts over SSH."""

from __future__ import annotations

SETS = {"web1": {"etc", "shop"}, "web2": {"etc", "shop"}, "db1": {"etc", "database"}}
# Round trips that a host takes for the whole job: one module a phase, and one a backup set where a phase has several.
HOST_TASKS = {f"proven.upkeep.{name}" for name in ("backup_archive", "backup_pull", "restore_verify", "patch_level")}
# Of Ansible's own, these: they all run on the controller.
ANSIBLES_OWN = ("assert", "include_role", "validate_argument_spec")


def test_three_hosts_observed_and_proven(lab, maintain, clone):
    ran = maintain()
    assert ran.rc == 0, ran.stdout
    report = clone.report()
    assert report["fleet"] | {"targeted": 3, "observed": 3, "unreachable": 0} == report["fleet"]
    proven = {(each["host"], each["backup"]) for each in report["backups"] if each["proven"]}
    assert proven >= {(host, name) for host, names in SETS.items() for name in names}
    assert report["summary"]["unproven_backups"] == 0
    for name in SETS:
        would = lab.shell(name, "LC_ALL=C apt-get -s -qq dist-upgrade").splitlines()
        installs = [line for line in would if line.startswith("Inst ")]
        patch = clone.host(name)["patch"]
        assert patch["pending"] == len(installs)
        assert patch["security"] == sum("-security" in line or "-Security:" in line for line in installs)
        assert patch["security"] > 0 or lab.hosts[name].release != "bookworm"
        # A container's kernel is not its own: whether it should reboot nobody can say.
        assert patch["reboot_required"] is None
    clone.validate_documents()
    # Everything else runs on the controller.
    controllers = {"run_open", "record", "backup_copy", "audit_patch_level", "audit_advisories", "report", "gate"}
    actions = {each["task_action"] for each in ran.tasks("ok")} - {f"proven.upkeep.{each}" for each in controllers}
    assert actions == {*HOST_TASKS, *(f"ansible.builtin.{each}" for each in ANSIBLES_OWN)}

    again = maintain()
    assert again.rc == 0 and again.changed() == []
