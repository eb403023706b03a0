# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of the vault and of copies: where a set is missing there, failed, or behind its last backup."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, gates, rules, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import security, summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.report import off_host
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build

NOW = times.parse("2026-11-23T10:00:00Z")
TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}
ARCHIVE = "backups/vault/web1/etc/20261123T080000Z.tar.zst"


def vaulted(**more):
    return {
        "schema": "upkeep.vault/1", "backup": "etc", "archive": ARCHIVE, "created": "2026-11-23T08:00:00Z",
        "archive_sha256": "a" * 64, "sha256": "a" * 64, "bytes": 3, "files": 1924, "sealed": None, "pulled_bytes": 3,
        "resumed_from": 0, "connections": 1, "way": "sftp", "bytes_per_s": 3, "unchanged": False, "predicted": False,
        "kept": {"archives": 2, "bytes": 6}, "removed": [], "status": "ok", "reason": None,
        "started": "2026-11-23T08:00:01Z", "finished": "2026-11-23T08:00:02Z", "duration_ms": 1000, **more,
    }  # fmt: skip


def copied(copy, **more):
    return {
        **vaulted(),
        "schema": "upkeep.copy/1",
        "copy": copy,
        "to": "far",
        "path": "/srv",
        "verified_by": "far_hash",
        **more,
    }


def item(data=None, **more):
    return {"item": {"name": "etc"}, "ansible_loop_var": "item", **({"data": data} if data else {}), **more}


@pytest.fixture(name="entry")
def entry_fixture(home, open_run, record, samples, validate):
    """entry(vault result, *copy results): the set in a report of a run that recorded these."""

    def made(vault=None, *copies, lies_there=True, backup=None):
        run = open_run("r1", ["backup", "vault", "copy"], ["web1"])
        record(run, "web1", "backup", {"data": samples.backup(**(backup or {}))})
        if lies_there:
            (home / ARCHIVE).parent.mkdir(parents=True)
            (home / ARCHIVE).write_bytes(b"abc")
        record(run, "web1", "vault", {"results": [vault] if vault else []})
        record(run, "web1", "copy", {"results": list(copies)})
        report = build(home, runs.load(home, "r1"), gates.parse([]), NOW, TOOL)
        validate(report, "report")
        made.report = report
        made.failed = [failure["message"] for failure in report["run"]["failures"]]
        (found,) = (each for each in report["backups"] if each["host"] == "web1")
        return found

    return made


def own(found):
    return [problem for problem in found["problems"] if "vault" in problem or "copy" in problem]


def test_all_is_where_it_should_be(entry, home, validate):
    found = entry(item(vaulted()), item(copied("far")), item(copied("usb")))
    assert own(found) == [] and entry.failed == []
    assert found["vault"]["is_there"] and found["vault"]["this_run"] == "ok"
    assert [(copy["name"], copy["this_run"]) for copy in found["copies"]] == [("far", "ok"), ("usb", "ok")]
    folder = evidence.place(home, "web1", "etc")
    validate(evidence.last_vaulted(folder), "vault")
    assert sorted(path.name for path in (folder / "copies").iterdir()) == ["far.json", "usb.json"]
    assert "  vault    1 set (6 B)" in summary.summary(entry.report)
    assert "| web1 | etc | 2026-11-23T08:00:00Z, 2 archives (6 B) | far 2026-11-23T08:00:00Z; usb" in security.render(
        entry.report
    )


@pytest.mark.parametrize(
    ("vault", "more", "told"),
    [
        (item(failed=True, error_code="host_key_changed", msg="no"), {},
         ["vault failed in this run (host_key_changed)", "not in the vault"]),
        (item(vaulted()), {"lies_there": False}, [f"the vault has lost {ARCHIVE}"]),
        (item(vaulted()), {"backup": {"sha256": "b" * 64}},
         ["the vault is behind: it has that of 2026-11-23T08:00:00Z"]),
        (item(vaulted(ahead=["2031-01-01T00:00:00Z"])), {},
         ["the vault has what is of the future (2031-01-01T00:00:00Z): the host's clock was ahead"]),
        (item(unreachable=True, msg="Connection refused"), {},
         ["vault unknown in this run (unreachable)", "not in the vault"]),
        (None, {}, []),
        (item(skipped=True, skip_reason="needs_root: only root can"), {}, []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_vault(entry, vault, more, told):
    assert own(entry(vault, **more)) == told
    if told and "in this run" in told[0]:
        assert len(entry.failed) == 1 and "vault etc" in entry.failed[0]


def test_a_copy_that_fails_leaves_the_others_as_they_are(entry):
    failed = {"item": {"name": "etc on usb", "backup": "etc", "copy": {"name": "usb"}}, "failed": True,
              "error_code": "copy_unwritable", "msg": "no", "ansible_loop_var": "item"}  # fmt: skip
    found = entry(item(vaulted()), item(copied("far", archive_sha256="b" * 64)), failed)
    assert own(found) == [
        "the copy far is behind: it has that of 2026-11-23T08:00:00Z",
        "copy usb failed in this run (copy_unwritable)", "not in the copy usb",
    ]  # fmt: skip
    assert off_host.copies_words(found) == "far 2026-11-23T08:00:00Z; usb never"


def test_incomplete_work_off_the_host_fails_the_run(home, open_run, record):
    run = open_run("r1", ["copy"], ["web1"])
    record(run, "web1", "copy", {"results": [item(copied("far", status="incomplete", reason="x"))]})
    from ansible_collections.proven.upkeep.plugins.plugin_utils import observations

    seen = {("web1", "copy"): observations.seen(home, "r1", "web1", "copy")}
    assert [failure["set"] for failure in rules.broken(run, seen)] == ["etc on far"]
