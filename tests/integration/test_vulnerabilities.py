# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run with an advisory index: from what is installed here to findings, gates and the document."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import releases
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited, Score

from tests.advisories import fill, said

SYSTEM = platform.freedesktop_os_release()
RELEASE = releases.key(SYSTEM.get("ID"), SYSTEM.get("VERSION_ID"))
pytestmark = pytest.mark.skipif(RELEASE is None, reason="no advisory source speaks of this system")
# Every system of these has them; no version is as high as the one that fixes.
ROWS = [
    said("bash", "CVE-2026-1", fixed="999:1", release=RELEASE, advisory="XSA-1", severity="low"),
    said("bash", "CVE-2026-2", fixed="0.1", release=RELEASE, severity="critical"),
    said("coreutils", "CVE-2026-3", "affected", release=RELEASE, severity="high"),
    said("coreutils", "CVE-2026-4", "affected", release=RELEASE, deferred="no-dsa"),
    Score("CVE-2026-3", 0.5, 0.9),
]


def prepared(clone):
    kev = [Exploited("CVE-2026-1", "2026-01-01T00:00:00Z")]
    fill(clone.path / FILE, ROWS, kev, [("vendor", (releases.of_os(RELEASE),))])


def gates(clone):
    return {gate["id"]: (gate["status"], gate["observed"]) for gate in clone.report()["gates"]}


def test_findings_gate_and_document_and_the_clock_goes_on(clone):
    prepared(clone)
    inventory = clone.inventory(
        {"one": {}, "two": {}}, patch_scan_services=False, patch_max_age=10**9, gate_enforce=False
    )
    run = {"inventory": inventory, "cmdline": "--tags patch,audit"}
    ran = clone.run(**run)
    assert ran.rc == 0, ran.stdout
    clone.validate_documents()
    audit = next(document for document in clone.observations() if document["phase"] == "audit")
    engine = next(each for each in audit["data"]["engines"] if each["name"] == "advisories")
    assert (engine["status"], engine["reason"]) == ("ok", None)
    found = {each["check_id"]: each for each in audit["data"]["findings"] if each["source"] == "advisory"}
    assert {key: (each["subject"], each["severity"]) for key, each in found.items()} == {
        "XSA-1": ("bash", "critical"),  # known to be exploited
        "CVE-2026-3": ("coreutils", "high"),
    }
    section = clone.report()["vulnerabilities"]
    assert (section["critical"], section["high"], section["deferred"], section["kev"]) == (1, 1, 1, 1)
    assert [(each["check_id"], each["hosts"]) for each in section["groups"]] == [("XSA-1", 2), ("CVE-2026-3", 2)]
    assert gates(clone)["vulns_critical"] == ("fail", 1) and gates(clone)["patch_sla"] == ("pass", 0)
    document = (clone.path / "audits/security.md").read_text()
    assert "bash: XSA-1" in document and "CVE-2026-1 (exploited)" in document and "2: one, two" in document
    assert "bash" in section["groups"][0]["where"][0]["command"]
    assert "1 critical (1 fixable)" in ran.stdout and "most urgent: bash: XSA-1" in ran.stdout
    status = subprocess.run(
        [sys.executable, "-m", "upkeep", "status"], cwd=clone.path, capture_output=True, text=True, check=True
    )
    assert "1 (1 fixable), 1 known to be exploited" in status.stdout

    assert clone.run(**run).rc == 0
    later = clone.report()["vulnerabilities"]["groups"]
    assert [(each["first_seen"], each["due"]) for each in later] == [
        (each["first_seen"], each["due"]) for each in section["groups"]
    ]


def test_stale_package_lists_leave_both_gates_open(clone):
    prepared(clone)
    inventory = clone.inventory({"one": {}}, patch_scan_services=False, patch_max_age=1, gate_enforce=False)
    ran = clone.run(inventory=inventory, cmdline="--tags patch,audit")
    assert ran.rc == 0, ran.stdout
    assert clone.host("one")["patch"]["metadata_stale"] is True
    assert gates(clone)["vulns_critical"] == ("unknown", None) and gates(clone)["patch_sla"] == ("unknown", None)
    assert "package lists are stale" in (clone.path / "audits/security.md").read_text()
    # What is known is told all the same.
    assert clone.report()["vulnerabilities"]["known"]["critical"] == 1
