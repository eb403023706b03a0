# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told once."""

from __future__ import annotations

from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.failures import told_once


def failure(host, phase, status, reason, name=None):
    message = f"host {host}: {phase} {status}: {reason}"
    file = f"{host}/{phase}.json"
    return {
        "host": host,
        "phase": phase,
        "set": name,
        "status": status,
        "reason": reason,
        "message": message,
        "file": file,
    }


AWAY, NO_ROOT = "unreachable: refused", "become_refused: Missing sudo password"
AUDIT = "engine_unknown: patch: the patch level is {}: {}"


def test_one_reason_on_one_host_is_told_once():
    found = [
        failure("web1", "backup", "failed", NO_ROOT, "etc"),
        failure("web1", "backup", "failed", NO_ROOT, "shop"),
        failure("db1", "backup", "unknown", AWAY),
        failure("web1", "audit", "unknown", AUDIT.format("failed", NO_ROOT)),
        failure("db1", "audit", "unknown", AUDIT.format("unknown", AWAY)),
    ]
    assert told_once(found) == [
        (f"host web1 failed in backup etc, backup shop, audit: {NO_ROOT}", "web1/backup.json"),
        (f"host db1 was not observed in backup, audit: {AWAY}", "db1/backup.json"),
    ]


def test_other_reasons_and_failures_of_no_host_stand_alone():
    run = {**failure(None, None, "failed", "interrupted: killed"), "host": None}
    found = [
        run,
        run,
        failure("a", "backup", "failed", "no_space: x"),
        failure("a", "patch_level", "failed", "locked: y"),
    ]
    assert [message for message, _file in told_once(found)] == [each["message"] for each in found]
