# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import outcome

TRACEBACK = """OpenSSH_9.2p1
Traceback (most recent call last):
  File "x.py", line 2, in <module>
    import nothing
ModuleNotFoundError: No module named 'nothing'
"""
HIDDEN = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"


@pytest.mark.parametrize(
    ("phase", "result", "status", "reason"),
    [
        ("backup", {"data": {"backup": "etc", "complete": True}}, "ok", None),
        ("backup", {"data": {"complete": False, "unreadable": ["/a"]}}, "incomplete", "incomplete: 1 unreadable"),
        ("backup", {"changed": True}, "unknown", "no_data: the task of phase backup returned no data"),
        ("other", {"changed": True}, "ok", None),
        (
            "backup",
            {"failed": True, "msg": "2 MB are free", "error_code": "no_space"},
            "failed",
            "no_space: 2 MB are free",
        ),
        ("backup", {"failed": True, "msg": "Assertion failed"}, "failed", "module_failed: Assertion failed"),
        (
            "backup",
            {"failed": True, "msg": "Module result deserialization failed: No start", "module_stderr": TRACEBACK},
            "failed",
            "module_failed: ModuleNotFoundError: No module named 'nothing'",
        ),
        (
            "backup",
            {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Killed\n", "rc": 137},
            "failed",
            "module_failed: Killed (killed: rc 137; out of memory?)",
        ),
        (
            "backup",
            {
                "failed": True,
                "msg": "The interpreter '/x' was not found.",
                "module_stderr": "/bin/sh: 1: /x: not found",
            },
            "failed",
            "no_python: there is no /x on the host: install Python 3.8 or newer there, or set "
            "ansible_python_interpreter",
        ),
        (
            "backup",
            {"failed": True, "msg": "Task failed: boom\n  at line 2"},
            "failed",
            "module_failed: boom at line 2",
        ),
        (
            "backup",
            {
                "unreachable": True,
                "msg": "Task failed: Failed to create temporary directory. In some cases, you may have been able to "
                "authenticate and did not have permissions on the target directory. Failed command was: "
                '( umask 77 && mkdir -p "` echo /nonexistent/.ansible/tmp `"&& mkdir "` echo /nonexistent/x `" )',
            },
            "unknown",
            "unreachable: the user that logs in cannot make /nonexistent/.ansible/tmp on the host: make its home "
            "writable, or set ansible_remote_tmp to a folder that is",
        ),
        (
            "restore",
            {
                "failed": True,
                "msg": "Task failed: Finalization of task args for 'proven.upkeep.backup_restore' failed: Error while "
                "resolving value for 'archive': The filter plugin 'proven.upkeep.chosen_sets' failed: there is no "
                "backup set data; there are workflows, etc.",
            },
            "failed",
            "module_failed: there is no backup set data; there are workflows, etc.",
        ),
        ("backup", {"failed": True, "exception": "(traceback unavailable)"}, "failed", "module_failed: no message"),
        ("backup", {"failed": True, "censored": HIDDEN}, "failed", "module_failed: the message is hidden by no_log"),
        (
            "backup",
            {"censored": HIDDEN},
            "unknown",
            "censored: no_log hides the result, so nothing can be said; take no_log off the task",
        ),
        (
            "backup",
            {"unreachable": True, "msg": "Task failed: Failed to connect: refused", "changed": False},
            "unknown",
            "unreachable: Failed to connect: refused",
        ),
        (
            "backup",
            {"skipped": True, "skip_reason": "Conditional result was False"},
            "skipped",
            "Conditional result was False",
        ),
        (
            "backup",
            {"results": [], "skipped": True, "skipped_reason": "No items in the list"},
            "skipped",
            "No items in the list",
        ),
        ("restore_test", {"data": {"status": "ok", "files_verified": 3}}, "ok", None),
        ("restore_test", {"data": {"status": "ok", "files_verified": 0, "entries_verified": 2}}, "ok", None),
        (
            "restore_test",
            {"data": {"status": "ok", "files_verified": 0}},
            "failed",
            "nothing_verified: the restore compared no entry, which proves nothing",
        ),
        (
            "restore_test",
            {"data": {"status": "incomplete", "files_verified": 1, "not_checked": [1, 2]}},
            "incomplete",
            "incomplete: 2 not checked",
        ),
        (
            "restore_test",
            {"data": {"status": "failed", "files_verified": 1}},
            "failed",
            "restore_test_failed: its result says failed",
        ),
        (
            "restore_test",
            {"data": {"status": "great", "files_verified": 1}},
            "unknown",
            "bad_status: its result says great",
        ),
        (
            "restore",
            {
                "failed": True,
                "msg": "1 path was refused",
                "error_code": "restore_refused",
                "data": {"status": "incomplete"},
            },
            "incomplete",
            "restore_refused: 1 path was refused",
        ),
        ("restore", {"data": {"status": "incomplete", "refused": [1]}}, "incomplete", "incomplete: 1 refused"),
        ("audit", {"data": {"engines": [{"name": "patch", "status": "ok"}]}}, "ok", None),
        ("audit", {"data": {"engines": []}}, "unknown", "no_engine: no audit engine ran"),
        (
            "audit",
            {"data": {"engines": [{"name": "patch", "status": "unknown", "reason": "none"}]}},
            "unknown",
            "engine_unknown: patch: none",
        ),
        (
            "audit",
            {"data": {"engines": [{"name": "a", "status": "ok"}, {"name": "b", "status": "unknown"}]}},
            "incomplete",
            "engine_unknown: b: no answer",
        ),
        ("backup", None, "unknown", "no_result: the task gave no result (None)"),
        ("backup", "text", "unknown", "no_result: the task gave no result (text)"),
        ("backup", {"results": ["x"]}, "unknown", "no_result: the task gave no result (x)"),
    ],
)
def test_status_and_reason(phase, result, status, reason):
    parts = outcome.parts_of(phase, result)[0]
    assert (parts[0].status, parts[0].reason) == (status, reason)


def test_a_loop_gives_a_part_each_named_by_its_set():
    result = {
        "results": [
            {"item": {"name": "etc"}, "changed": True, "data": {"backup": "etc", "complete": True, "duration_ms": 7}},
            {"item": {"name": "db"}, "failed": True, "msg": "no", "error_code": "no_space"},
            {"ansible_loop_var": "set", "set": {"name": "www"}, "skipped": True, "msg": "not root"},
            {"item": "home", "unreachable": True},
        ]
    }
    parts, as_list = outcome.parts_of("backup", result)
    assert as_list
    assert [(part.name, part.status) for part in parts] == [
        ("etc", "ok"), ("db", "failed"), ("www", "skipped"), ("home", "unknown"),
    ]  # fmt: skip
    assert parts[0].duration_ms == 7 and parts[0].changed


def test_nothing_of_invocation_or_output_is_kept():
    secret = "hunter2"
    result = {
        "failed": True, "msg": "no", "error_code": "bad_archive", "invocation": {"module_args": {"password": secret}},
        "stdout": secret, "stderr": secret, "exception": secret, "entry": "etc/passwd", "block": 3,
        "_ansible_x": secret,
    }  # fmt: skip
    part = outcome.part_of("restore_test", result)
    assert part.data == {"entry": "etc/passwd", "block": 3}
    result.pop("error_code")
    assert outcome.part_of("restore_test", result).data is None


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"rto_target": 60, "rpo_target": "86400"}, (60_000, 86_400_000)),
        ({"rto_target": None, "rpo_target": ""}, (None, None)),
        ({"rto_target": True, "rpo_target": -1}, (None, None)),
        ("etc", (None, None)),
    ],
)
def test_targets_come_from_the_loop_item(item, expected):
    data = outcome.part_of("restore_test", {"item": item, "data": {"status": "ok", "files_verified": 1}}).data
    assert (data["rto_target_ms"], data["rpo_target_ms"]) == expected


@pytest.mark.parametrize(
    ("delta", "milliseconds"),
    [("0:00:01.500000", 1500), ("1 day, 1:00:00", 90_000_000), ("soon", None), (None, None), (5, None)],
)
def test_duration_from_a_delta(delta, milliseconds):
    assert outcome.part_of("x", {"delta": delta}).duration_ms == milliseconds


def test_a_reason_is_one_bounded_line():
    reason = outcome.part_of("x", {"failed": True, "msg": "a\n" * 2000}).reason
    assert "\n" not in reason and len(reason) <= 520
