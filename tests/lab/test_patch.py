# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patch runs of real hosts with real pending security updates, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

PENDING = "LC_ALL=C apt-get -s -qq dist-upgrade"
INSTALLED = "dpkg-query -W -f '${Package}:${Architecture} ${Version}\\n'"
# Two rings of the three hosts: web1 first, then the others.
RINGS = ["ring_canary", "ring_rest"]
REST = {"ring_rest": {"hosts": {"web2": {}, "db1": {}}}}


def security(lab, name: str) -> set[str]:
    """The security updates that the host's own tool would install."""
    would = lab.shell(name, PENDING).splitlines()
    return {line.split()[1] for line in would if line.startswith("Inst ") and re.search("-Security:|-security", line)}


def installed(lab, name: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in lab.shell(name, INSTALLED).splitlines())


def patched(clone, phase: str = "patch") -> dict[str, Any]:
    """The last document of each host."""
    found = [each for each in clone.observations() if each["phase"] == phase]
    return {each["host"]: each["data"] for each in sorted(found, key=lambda each: each["finished"])}


def well(lab, name: str) -> None:
    assert lab.shell(name, "dpkg --audit") == ""
    assert lab.shell(name, "systemctl --failed --no-legend --plain").strip() == ""
    assert lab.shell(name, "ls /var/lib/upkeep/patch/claim.json 2>/dev/null || true") == ""


def test_three_hosts_in_two_rings_and_back(lab, patch: Callable[..., Any], clone):
    before = {name: installed(lab, name) for name in ("web1", "web2", "db1")}
    wanted = {name: security(lab, name) for name in before}
    assert wanted["web1"] and wanted["db1"]
    lab.broken |= set(before)

    ran = patch(children=REST, patch_rings=RINGS)
    assert ran.rc == 0, ran.stdout
    clone.validate_documents()
    told = patched(clone)
    for name in before:
        assert security(lab, name) == set()
        well(lab, name)
        changed = {f"{each['name']}:{each['arch']}": (each["from"], each["to"]) for each in told[name]["changed"]}
        now = installed(lab, name)
        assert {
            package: (before[name].get(package), now.get(package))
            for package in {*before[name], *now}
            if before[name].get(package) != now.get(package)
        } == changed
        assert told[name]["outcome"] == ("patched" if wanted[name] else "nothing_to_do")
        assert wanted[name] <= {package.split(":")[0] for package in changed}
    # The canary was done before the others began.
    assert told["web1"]["finished"] <= min(told["web2"]["started"], told["db1"]["started"])
    remediation = (clone.path / "audits/remediation.md").read_text()
    assert "web1" in remediation and "db1" in remediation

    again = patch(children=REST, patch_rings=RINGS)
    assert again.rc == 0 and again.changed() == [], again.stdout
    assert {each["outcome"] for each in patched(clone).values()} == {"nothing_to_do"}

    run_id = told["web1"]["run_id"]
    back = patch(playbook="playbooks/rollback.yml", target="web1", patch_run=run_id)
    assert back.rc == 0, back.stdout
    assert patched(clone)["web1"]["outcome"] == "rolled_back"
    assert installed(lab, "web1") == before["web1"]
    assert security(lab, "web1") == wanted["web1"]
    well(lab, "web1")

    twice = patch(playbook="playbooks/rollback.yml", target="web1", patch_run=run_id)
    assert twice.rc != 0 and "already" in twice.stdout
    assert installed(lab, "web1") == before["web1"]


def test_a_plan_changes_nothing(lab, patch, clone):
    before = installed(lab, "web1")
    ran = patch(target="web1", cmdline="--check --diff")
    assert ran.rc == 0, ran.stdout
    assert installed(lab, "web1") == before
    assert all(package in ran.stdout for package in security(lab, "web1"))
    assert clone.observations() == []
    assert lab.shell("web1", "ls /var/lib/upkeep/patch 2>/dev/null || true") == ""
