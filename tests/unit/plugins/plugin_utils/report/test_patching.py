# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patch runs in the report and the documents made of it."""

from __future__ import annotations

import io

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import interrupted, rules, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import security, summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build
from rich.console import Console

from tests.patch_results import UNREACHABLE, at, compose, error, plan, problem, results, until
from upkeep import status

NOW = times.parse("2026-11-24T22:01:00Z")
TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}
RED = results(verify=problem("port_closed", "port 443 was listening before and is not"))
STOPPED = {"admit": at(0, admitted=False, code="ring_stopped", reason="canary web1 failed")}


@pytest.fixture(name="run_of")
def run_of_fixture(open_run, record):
    """run_of("r1", {host: results}, day=23) records a patch run; None: nothing was recorded of the host."""

    def made(run_id, hosts, day=23, **facts):
        run = open_run(run_id, ["patch"], sorted(hosts), f"2026-11-{day:02d}T22:00:00Z")
        for host, given in hosts.items():
            if given is not None:
                document = compose(given, host=host, run_id=run_id, now=f"2026-11-{day:02d}T22:01:00Z", **facts)
                record(run, host, "patch", {"data": document}, finished=document["finished"])
        return run

    return made


@pytest.fixture(name="report")
def report_fixture(home, validate):
    def made(run_id):
        report = build(home, runs.load(home, run_id), [], NOW, TOOL)
        validate(report, "report")
        return report

    return made


def host(report, name):
    return next(each for each in report["hosts"] if each["name"] == name)


def test_each_host_has_its_last_patch_run(run_of, report):
    run_of("r0", {"web1": results(), "db1": results(), "app1": results()}, 21)
    run_of("r1", {"web1": RED, "db1": until("begin", begin=UNREACHABLE), "app1": results(), "new": STOPPED}, 22)
    run_of("r2", {"web1": until("plan")}, 23, mode="report")
    made = report("r1")
    told = {each["name"]: each["patch_run"] for each in made["hosts"]}
    assert {name: (each["run_id"], each["outcome"], each["status"]) for name, each in told.items()} == {
        "app1": ("r1", "patched", "ok"),
        "db1": ("r1", "refused", "unknown"),
        "new": ("r1", "refused", "incomplete"),
        "web1": ("r1", "failed", "failed"),
    }
    assert told["app1"]["changed"] == 2 and told["app1"]["plan_sha256"] == "a" * 64
    assert (told["web1"]["last_patched"], told["new"]["last_patched"]) == ("2026-11-21T22:01:00Z", None)
    assert told["web1"]["next"]["command"] == "make rollback HOST=web1 RUN=r1" and told["app1"]["next"] is None
    assert made["summary"]["patch_outcomes"] == {"patched": 1, "refused": 2, "failed": 1}
    assert made["summary"]["patch_attention"] == 3
    assert [failure["host"] for failure in made["run"]["failures"]] == ["db1", "new", "web1"]
    assert made["fleet"]["unreachable"] == 1
    # A plan alone takes nothing away from what was done before.
    assert host(report("r2"), "web1")["patch_run"]["run_id"] == "r1"


def test_no_patch_run_leaves_no_trace(open_run, report):
    open_run("r1", ["patch_level"], ["web1"])
    made = report("r1")
    assert made["hosts"][0]["patch_run"] is None and made["summary"]["patch_outcomes"] == {}
    assert "patch run" not in security.render(made) and not any("patched" in line for line in summary.summary(made))


def test_a_run_that_was_killed_is_named(home, run_of, report):
    run = run_of("r1", {"web1": results(), "lost": None})
    run.pid_started = "another boot/1"
    runs.save(home, run)
    assert interrupted.mark(home) == ["r1"]
    made = report("r1")
    told = host(made, "lost")["patch_run"]
    assert (told["outcome"], told["status"], told["changed"]) == (None, "unknown", None)
    assert told["next"]["command"] == "make patch HOST=lost"
    assert made["summary"]["patch_outcomes"] == {"patched": 1, "unknown": 1}
    assert "lost: interrupted (run r1): interrupted: the run was killed" in "\n".join(summary.summary(made))


def test_the_documents_tell_of_it(run_of, report):
    run_of("r1", {"web1": RED, "app1": results()})
    made = report("r1")
    document = security.render(made)
    assert document == security.render(made)
    assert "- **Last patch runs**: 1 patched, 1 failed; **look at web1**" in document
    assert "| web1 | failed | 2026-11-23T22:01:00Z | 2 |  | r1 | port\\_closed" in document.replace(
        "port_c", "port\\_c"
    )
    assert "make rollback HOST=web1 RUN=r1" in document
    lines = "\n".join(summary.summary(made))
    assert "1 of 2 hosts in this run" in lines and "web1: failed (run r1): port_closed: port 443" in lines


def test_the_status_names_what_is_unfinished(run_of, report):
    run_of("r1", {"web1": results()}, 21)
    run_of("r2", {"web1": until("apply", apply=UNREACHABLE), "app1": results()}, 23)
    made = report("r2")
    facts = status.facts(made, NOW)
    told = dict(facts)["patch run"]
    assert told.startswith("web1: needs attention (run r2): apply_unknown: ") and told.endswith("make patch HOST=web1")
    screen = io.StringIO()
    Console(width=200, file=screen).print(status.hosts_table(made, NOW))
    shown = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert shown[1].endswith("  1 d ago") and shown[2].endswith("  3 d ago, needs attention since")


def test_a_rollback_that_was_asked_for_is_no_failure(run_of, report):
    run_of("r1", {"web1": results()}, 21)
    verified = {"data": {"status": "ok", "problems": []}}
    undo = {
        "back": {"data": {"plan": plan()}}, "begin": at(1, patch_id="r1"), "back_apply": at(5, job="ok", changed=[]),
        "back_verify": verified,
    }  # fmt: skip
    run_of("r2", {"web1": undo}, 22, mode="rollback", rollback_of="r1")
    made = report("r2")
    assert made["run"]["failures"] == [] and host(made, "web1")["patch_run"]["outcome"] == "rolled_back"
    assert made["summary"]["patch_attention"] == 0


def test_a_host_that_had_no_time_left_does_not_pass(run_of, home):
    run = run_of("r1", {"web1": {"admit": at(0, admitted=False, code="budget", reason="4 min are left")}})
    report = build(home, run, [], NOW, TOOL)
    (failure,) = report["run"]["failures"]
    assert failure["message"] == "host web1: patch is incomplete: budget: 4 min are left"
    assert rules.broken(run, {})


def test_a_refusal_says_what_to_do(run_of, report):
    run_of("r1", {"web1": until("begin", begin=error("claimed", "run r0 works on it"))})
    assert host(report("r1"), "web1")["patch_run"]["next"]["why"].startswith("another run works on it")
