# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person reads of backups, their pruning, and restores."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.line import lines
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part

COUNTS = {"created": 3, "replaced": 0, "unchanged": 1200, "refused": 0, "failed": 0}
DONE = {"dest": "/", "counts": COUNTS, "created": ["etc/a", "etc/b", "etc/c"], "bytes": 4100, "predicted": False}
BACKED_UP = {"files": 1924, "bytes": 4_100_000, "created": "2026-11-23T08:00:00Z"}


def told(phase, data, status="ok", reason=None, changed=True, name="etc"):
    observation = Observation("r", "p", "web1", "web1", phase, "ok", None, "x", "x")
    observation.hold([Part(name, status, reason, 12, changed, data)], False)
    return lines(observation)


def words(found):
    """Of the first line, what stands behind the status."""
    return " ".join(found[0].split()[4:])


def test_a_restore_and_its_paths():
    found = told("restore", {**DONE, "archive_created": "2026-11-20T08:00:00Z"})
    assert found[0].startswith("  web1      restore       etc         ok          ")
    assert words(found) == "3 created, 1,200 unchanged in /, as of 2026-11-20T08:00:00Z; 4.1 kB in 12 ms"
    assert found[1:] == ["      created   etc/a", "      created   etc/b", "      created   etc/c"]


def test_a_dry_run_says_what_would_be():
    assert words(told("restore", {**DONE, "predicted": True})) == "would be: 3 created, 1,200 unchanged in /"
    nothing = {**DONE, "predicted": True, "counts": dict.fromkeys(COUNTS, 0), "created": []}
    assert [words(told("restore", nothing))] == ["would be: nothing to do in /"] and len(told("restore", nothing)) == 1


def test_many_paths_are_counted():
    many = {**DONE, "counts": {**COUNTS, "created": 5000}, "created": [f"p{n}" for n in range(1000)]}
    found = told("restore", many)
    assert len(found) == 12 and found[-2:] == ["      created   p9", "      created   and 4,990 more"]


def test_what_was_refused_says_why_and_the_line_is_loud():
    refused = {"counts": {**COUNTS, "refused": 1}, "refused": [{"path": "etc/x\n", "why": "it is newer here"}]}
    found = told("restore", {**DONE, **refused}, "incomplete", "restore_refused: 1 path was refused")
    assert "INCOMPLETE" in found[0] and words(found).startswith("restore_refused: 1 path was refused; 3 created")
    assert found[-1] == "      refused   etc/x\\x0a: it is newer here"
    failed = {"counts": {**COUNTS, "failed": 1}, "failed": [{"path": "etc/y", "why": "no space"}]}
    found = told("restore", {**DONE, **failed}, "failed", "restore_failed: x")
    assert "FAILED" in found[0] and found[-1] == "      failed    etc/y: no space"


def test_a_restore_without_a_document():
    assert told("restore", None, "failed", "archive_missing: there is no file") == [
        "  web1      restore       etc         FAILED      archive_missing: there is no file"
    ]


@pytest.mark.parametrize(
    "pruned, end",
    [
        (None, ""),
        ({"status": "ok", "removed_count": 0, "freed": 0}, ""),
        ({"status": "ok", "removed_count": 3, "freed": 1_200_000}, ", 3 older removed (1.2 MB)"),
        ({"status": "ok", "removed_count": 1, "freed": 12, "predicted": True}, ", 1 older to remove (12 B)"),
        ({"status": "skipped", "reason": "not whole"}, "; nothing was pruned: not whole"),
    ],
)
@pytest.mark.parametrize(
    "changed, start", [(True, "new archive in 12 ms"), (False, "unchanged since 2026-11-23T08:00:00Z")]
)
def test_a_backup_and_its_pruning(pruned, end, changed, start):
    data = {**BACKED_UP, "pruned": pruned} if pruned else BACKED_UP
    assert words(told("backup", data, changed=changed)) == f"1,924 files, 4.1 MB, {start}{end}"


def test_failed_retention():
    data = {**BACKED_UP, "pruned": {"status": "failed", "reason": "retention_failed: x"}}
    found = told("backup", data, "incomplete", "retention_failed: x")
    assert "INCOMPLETE" in found[0] and words(found).startswith("retention_failed: x; 1,924 files")


def test_a_drill_counts_folders_and_links_too():
    data = {"entries_verified": 17, "entries_expected": 17, "files_verified": 9, "files_expected": 9}
    assert words(told("restore_test", {**data, "bytes_verified": 12})) == "17 entries verified, 12 B in 12 ms"
    assert words(told("restore_test", {**data, "entries_verified": 16})).startswith("16 of 17 entries verified")


def test_a_predicted_backup_is_not_told_as_done():
    data = {"predicted": True, "files": None, "bytes": None, "complete": None, "reason": "the tree changed"}
    assert words(told("backup", data)) == "would write a new archive: the tree changed"
    data["pruned"] = {"status": "ok", "removed_count": 2, "freed": 12, "predicted": True}
    assert words(told("backup", data)) == "would write a new archive: the tree changed, 2 older to remove (12 B)"
