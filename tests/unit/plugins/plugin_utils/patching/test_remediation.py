# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as fixed by a patch run, and the log and story of it."""

from __future__ import annotations

import json
import shutil

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import findings, history, runs, sla
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import patch_story
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import remediation as log
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import recorded, remediation
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching.story import percentile, story

from tests.patch_results import UNDONE, UNREACHABLE, applied, at, compose, plan, results, until

VERIFIED = {"data": {"status": "ok", "problems": []}}
UNDO = {
    "back": {"data": {"plan": plan()}},
    "begin": at(1, patch_id="r1", continues=None),
    "back_apply": at(55, **applied(direction="back", changed=UNDONE)),
    "back_verify": VERIFIED,
}
PACKAGES = [
    {"name": "openssl", "arch": "amd64", "version": "1.0-2", "source_name": "openssl"},
    {"name": "libnew1", "arch": "amd64", "version": "2.0-1", "source_name": "new"},
    {"name": "vim", "arch": "amd64", "version": "9.0", "source_name": "vim"},
]
SECURE = {"id": "s", "enabled": True, "security": True}


def pending(name, **more):
    return {"name": name, "arch": "amd64", "installed": "1.0-1", "candidate": "1.0-2", "security": True, **more}


def level(waiting=("openssl", "vim"), installed=None, **more):
    severe = {"severity": "critical", "severity_source": "Debian"}
    return {
        "manager": "apt", "pending": [pending(name, **severe) for name in waiting],
        "installed": PACKAGES if installed is None else installed,
        "services_stale": [], "reboot": {"required": False}, "metadata": {"repositories": [SECURE]}, **more,
    }  # fmt: skip


def audit(seen, run_id, first_seen="2026-11-22T23:00:00Z", status="ok", **more):
    found = findings.of_patch_level(seen, "shop", "web1", first_seen)
    started = sla.all_started(found, {}, times.parse(first_seen))
    engine = {"name": "patch", "status": status, "reason": None, "findings": len(started), "run_id": run_id, **more}
    return {"data": {"engines": [engine], "findings": started if status == "ok" else []}}


@pytest.fixture(name="fleet")
def fleet_fixture(home, open_run, record):
    """fleet("r1", results, before=…, after=…) records an audit before and a whole patch run with its audit."""

    def made(run_id, given, before=None, after=None, sees=None, audited=None, host="web1", day=23, **facts):
        if before is not None:
            old = open_run(f"{run_id}-before", ["audit"], [host], f"2026-11-{day - 1:02d}T20:00:00Z")
            record(old, host, "audit", audit(before, old.run_id))
        run = open_run(run_id, ["patch", "patch_level", "audit"], [host], f"2026-11-{day:02d}T21:00:00Z")
        document = compose(given, host=host, run_id=run_id, **facts)
        record(run, host, "patch", {"data": document}, finished="2026-11-23T22:01:00Z")
        if after is not None:
            record(run, host, "patch_level", {"data": sees or after})
            record(run, host, "audit", audited or audit(after, run_id, "2026-11-23T22:01:30Z"))
        return remediation.of_run(home, runs.load(home, run_id))

    return made


def test_a_security_update_that_is_installed_and_no_longer_found(fleet, validate):
    told = fleet("r1", results(), level(), level(["vim"]))
    validate(told, "remediation")
    (line,) = told["lines"]
    assert (line["subject"], line["check_id"], line["severity"]) == ("openssl", "pending_security", "critical")
    assert (line["from"], line["to"], line["first_seen"]) == ("1.0-1", "1.0-2", "2026-11-22T23:00:00Z")
    # 23 hours after it was seen, and due after 24: as the package manager ended.
    assert (line["fixed_at"], line["due"], line["sla"]) == ("2026-11-23T22:00:49Z", "2026-11-23T23:00:00Z", "met")
    assert line["time_to_fix_ms"] == (23 * 3600 + 49) * 1000
    assert line["by"]["user"] == "ann" and line["run_id"] == "r1"


RED = results(verify={"data": {"status": "failed"}})


@pytest.mark.parametrize(
    ("given", "more", "why"),
    [
        (results(), {"after": level()}, "it is still found"),
        (results(), {}, "nobody looked again"),
        (results(), {"after": level(["vim"]), "audited": audit(level(["vim"]), "r0")}, "an older level was audited"),
        (results(), {"after": level([]), "audited": audit(level([]), "r1", status="unknown")}, "no engine could look"),
        (results(), {"after": level([]), "audited": audit(level([]), "r1", remembered={})}, "it could not see all"),
        (results(), {"after": level([], installed=[])}, "the level does not show what was installed"),
        (results(apply=at(8, **applied(changed=[]))), {"after": level([])}, "no change of the run closed it"),
        (RED, {"after": level([])}, "the run failed"),
        (until("apply", apply=UNREACHABLE), {"after": level([])}, "nobody knows what the run did"),
    ],
)  # fmt: skip
def test_what_does_not_count_as_fixed(fleet, given, more, why):
    assert fleet("r1", given, level(["openssl"]), **more)["lines"] == [], why


def test_restarts_and_reboots_fix_what_waited_for_them(fleet):
    waiting = [{"unit": "ssh.service", "pids": [1]}, {"unit": "cron.service", "pids": [2]}]
    before = level([], services_stale=waiting, reboot={"required": True, "reasons": ["kernel"]})
    restarted = fleet("r1", results(), before, level([], reboot={"required": True}))["lines"]
    assert [(line["check_id"], line["subject"], line["how"]) for line in restarted] == [
        ("stale_service", "ssh.service", "restarted")
    ]
    both = fleet("r2", results(reboot=at(51, rebooted=True)), before, level([]), day=25)["lines"]
    assert [(line["subject"], line["how"]) for line in both] == [
        ("host", "rebooted"), ("cron.service", "rebooted"), ("ssh.service", "restarted"),
    ]  # fmt: skip


def test_an_advisory_goes_by_the_packages_that_it_names(fleet):
    evidence = [{"installed": "1.0-1", "packages": ["libnew1", "openssl"], "fixed": "1.0-2"}]
    of = findings.Of("shop", "web1", "2026-11-20T00:00:00Z", "advisory")
    found = sla.all_started(
        [
            findings.finding(
                of, "DSA-1", "other-source", "DSA-1 fixes CVE-1", evidence, "security_lead", "high", "Debian"
            )
        ],
        {},
        times.parse("2026-11-20T00:00:00Z"),
    )
    engine = {"name": "advisories", "source": "advisory", "status": "ok", "run_id": "r1"}
    document = compose(results())
    seen = remediation.Seen([{"engines": [engine], "findings": found}], {"engines": [engine], "findings": []}, level())
    (line,) = remediation.fixed(document, "r1", seen)
    assert (line["source"], line["severity"], line["sla"]) == ("advisory", "high", "missed")
    assert [each["name"] for each in line["packages"]] == ["libnew1", "openssl"]


def test_what_was_seen_first_right_before_it_was_fixed(fleet, validate):
    document = compose(results())
    fresh = findings.of_patch_level(level(["openssl"]), "shop", "web1", document["started"])
    document["open_before"] = sla.all_started(fresh, {}, times.parse(document["started"]))
    validate(document, "patch")
    engine = {"name": "patch", "status": "ok", "run_id": "r1"}
    never = remediation.Seen([], {"engines": [engine], "findings": []}, level([]))
    (line,) = remediation.fixed(document, "r1", never)
    assert (line["first_seen"], line["time_to_fix_ms"], line["sla"]) == ("2026-11-23T22:00:00Z", 49_000, "met")
    remembered = audit(level(["openssl"]), "r0")["data"]
    (line,) = remediation.fixed(document, "r1", remediation.Seen([remembered], {"engines": [engine]}, level([])))
    assert line["first_seen"] == "2026-11-22T23:00:00Z", "an earlier audit knows it for longer"


def test_a_rollback_opens_again_what_its_packages_had_fixed(home, fleet, validate):
    remediation.write(home, fleet("r1", results(), level(), level(["vim"])))
    told = fleet("r2", UNDO, day=24, mode="rollback", rollback_of="r1")
    validate(told, "remediation")
    (line,) = told["lines"]
    assert (line["kind"], line["rollback_of"], line["from"], line["to"]) == ("reopened", "r1", "1.0-2", "1.0-1")
    assert (line["fixed_at"], line["reopened_at"], line["sla"]) == (None, "2026-11-23T22:00:56Z", None)
    remediation.write(home, told)
    lines = remediation.every(home)
    assert [each["kind"] for each in lines] == ["reopened", "fixed"] and log.still_fixed(lines) == []
    text = log.render("shop", lines)
    assert text == log.render("shop", remediation.every(home)), "twice the same"
    assert "0 findings fixed by patch runs; 1 opened again by a rollback." in text
    assert "OPENED AGAIN: Security update pending: openssl 1.0-2" in text


def test_the_log(home, fleet):
    remediation.write(home, fleet("r1", results(), level(), level(["vim"])))
    lines = remediation.every(home)
    slow = {**lines[0], "time_to_fix_ms": 10 * 86_400_000, "sla": "missed", "title": "a | b", "severity": "high"}
    text = log.render("shop", [slow, *lines])
    assert "| critical | 1 | 1 | 0 | 23 h | 23 h |" in text
    assert "| high | 1 | 0 | 1 | 10 d | 10 d |" in text
    assert "| all | 2 | 1 | 1 | 23 h | 10 d |" in text
    assert "openssl 1.0-1 → 1.0-2" in text and "ann on ctl" in text and "a \\| b" in text


def test_the_log_outlives_its_runs(home, fleet, open_run):
    remediation.write(home, fleet("r1", results(), level(), level(["vim"])))
    before = remediation.every(home)
    for day, run_id in ((25, "r2"), (26, "r3")):
        fleet(run_id, results(), after=level(["vim"]), day=day)
    shutil.rmtree(runs.folder(home, "r1-before"))
    for run in runs.newest_first(home):
        run.state = "finished"
        runs.save(home, run)
    assert "r1" in history.prune(home, 1)
    assert [path.name for path in runs.folder(home, "r1").iterdir()] == ["remediation.json"]
    assert remediation.every(home) == before and runs.load(home, "r1") is None
    assert history.prune(home, 1) == [], "it is no run any more"


def test_a_damaged_file_hides_no_other(home, fleet):
    remediation.write(home, fleet("r1", results(), level(), level(["vim"])))
    (runs.folder(home, "r1") / "x").mkdir()
    other = home / "runs" / "r0"
    other.mkdir()
    (other / "remediation.json").write_text('{"schema": "upkeep.remediation/1", "lines": [{}]}')
    assert len(remediation.every(home)) == 1


def test_the_story_of_a_run(home, open_run, record):
    run = open_run("r1", ["patch"], ["db1", "lost", "web1"])
    for host, given in (("web1", results()), ("db1", until("apply", apply=UNREACHABLE))):
        record(run, host, "patch", {"data": compose(given, host=host)})
    run = runs.load(home, "r1")
    told = story(run, recorded.of_run(home, "r1"), [])
    assert told["outcomes"] == {"patched": 1, "needs_attention": 1, "unknown": 1}
    assert [(host["name"], host["outcome"]) for host in told["hosts"]] == [
        ("db1", "needs_attention"), ("lost", None), ("web1", "patched"),
    ]  # fmt: skip
    (apply,) = [each for each in told["states"] if each["state"] == "apply"]
    assert apply == {"state": "apply", "hosts": 1, "p50_ms": 41_000, "p95_ms": 41_000}
    shown = "\n".join(patch_story.screen(told))
    assert "Patch run r1: 1 patched, 1 needs attention, 1 unknown" in shown
    assert "NEEDS ATTENTION" in shown and "lost: missing: nothing was recorded of it in this run" in shown
    assert "make patch HOST=lost" in shown and shown.count("make patch HOST=") == 2
    text = patch_story.render(told)
    assert text == patch_story.render(json.loads(json.dumps(told))), "twice the same"
    assert "| apply | 2026-11-23T22:00:08Z | 2026-11-23T22:00:49Z | 41 s | ok | 2 packages changed |" in text
    assert "| openssl | amd64 | 1.0-1 | 1.0-2 | security update |" in text


def test_the_story_of_a_run_that_patched_nothing(home, open_run):
    run = open_run("r1", ["patch_level"], ["web1"])
    told = story(run, {}, [])
    assert patch_story.screen(told) == [] and "no host" in patch_story.render(told)


@pytest.mark.parametrize(
    ("values", "rank", "expected"),
    [([], 50, None), ([7], 95, 7), ([1, 2], 50, 1), (list(range(1, 41)), 95, 38), (list(range(1, 41)), 50, 20)],
)
def test_percentiles_are_of_the_nearest_rank(values, rank, expected):
    assert percentile(values, rank) == expected
