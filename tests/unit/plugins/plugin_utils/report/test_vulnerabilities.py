# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From audits to figures, gates and documents: what is known, what is not, and what is most urgent."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from ansible_collections.proven.upkeep.plugins.filter.audited import audited
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import audits, findings, gates, runs, sla
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE, Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Exploited, Score
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import line, security, summary
from ansible_collections.proven.upkeep.plugins.plugin_utils.report import vulnerabilities
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.build import build

from tests.advisories import fill, level, package, said, update
from upkeep import status

TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}
GATES = gates.parse(
    [
        {"id": "vulns_critical", "query": "vulnerabilities.critical", "op": "eq", "value": 0},
        {"id": "patch_sla", "query": "sla.breached", "op": "eq", "value": 0},
        {"id": "audit_complete", "query": "summary.unaudited_hosts", "op": "eq", "value": 0},
    ]
)
NOW = times.now()
ROWS = [
    said("openssl", "CVE-1", fixed="2-1", advisory="DSA-1", severity="high"),
    said("openssl", "CVE-2", fixed="2-1", advisory="DSA-1", severity="low"),
    said("bash", "CVE-3", "affected", severity="critical"),
    said("perl", "CVE-4", "affected", deferred="no-dsa"),
    said("vim", "CVE-5", fixed="3-1", severity="low"),
    Score("CVE-1", 0.25, 0.9),
]
KEV = [Exploited("CVE-5", "2026-01-01T00:00:00Z")]
WEB = level(
    [package("openssl", "1-1"), package("bash", "1-1"), package("perl", "1-1")],
    [update("openssl", "2-1", blocked_by="held", blocked_detail="apt-mark unhold openssl")],
)
DB = level([package("openssl", "1-1"), package("vim", "2-1")], [update("vim", "3-1")])
CLEAN = level([package("openssl", "2-1")])


@pytest.fixture(name="audit")
def audit_fixture(home, open_run, record, samples, validate):
    """audit({host: patch level}, now) -> the report of a run that audited them, as the actions would."""

    def audited_by(run, host, data, now):
        newest_first = runs.newest_first(home)
        results = []
        engines = {
            "patch": (
                {"name": "patch", "status": "ok", "reason": None},
                findings.of_patch_level(data, "shop", host, ""),
            ),
            "advisories": engine.look(home, data, "shop", host, times.iso(now), now),
        }
        for name, (made, found) in engines.items():
            known = audits.memory(home, newest_first, host, name)
            found = sla.all_started([{**each, "last_seen": times.iso(now)} for each in found], known, now)
            results.append({"data": {"engines": [{**made, "findings": len(found)}], "findings": found}})
        record(run, host, "audit", audited(results), finished=times.iso(now))

    def report(hosts, now=NOW, run_id="r1", later=timedelta()):
        run = open_run(run_id, ["patch_level", "audit"], list(hosts), started=times.iso(now))
        for host, data in hosts.items():
            whole = {**samples.patch_level(pending=[]), **data, "counts": {"pending": 0, "security": 0}}
            record(run, host, "patch_level", {"data": whole}, finished=times.iso(now))
            audited_by(run, host, data, now)
        made = build(home, runs.load(home, run_id), GATES, now + later, TOOL)
        validate(made, "report")
        return made

    return report


@pytest.fixture(name="index")
def index_fixture(home):
    return fill(home / FILE, ROWS, KEV)


def told(report):
    return {gate["id"]: (gate["status"], gate["observed"]) for gate in report["gates"]}


def fixable(**more):
    return {**dict.fromkeys(("critical", "high", "medium", "low", "unknown"), 0), **more}


@pytest.mark.parametrize("first", ["old", "new"])
def test_the_worst_that_any_host_knows_of_one_counts(first):
    """Hosts are audited at different times: one of them before it was known to be exploited."""
    cve = {"id": "CVE-1", "severity": "medium", "severity_source": "x", "kev": None, "epss": None}
    newer = {**cve, "severity": "critical", "severity_source": "KEV", "kev": "2026-01-01T00:00:00Z"}
    found = [
        (host, {"source": "advisory", "check_id": "DSA-1", "subject": "bash", "kind": "fixable", "release": "debian:12",
                "severity": each["severity"], "evidence": [{"cves": [each]}]})
        for host, each in (("old", cve), ("new", newer))
    ]  # fmt: skip
    (group,) = vulnerabilities._groups(found if first == "old" else found[::-1], NOW)
    assert (group["severity"], group["kev"], group["hosts"]) == ("critical", True, 2)


def test_a_fleet_in_figures(index, audit):
    report = audit({"web1": WEB, "web2": WEB, "db1": DB, "new": CLEAN})
    section = report["vulnerabilities"]
    assert {name: section[name] for name in fixable()} == fixable(critical=2, high=1, low=1)
    # Fixable and unfixed criticals apart.
    assert section["fixable"] == fixable(critical=1, high=1, low=1) and section["unfixed"] == fixable(critical=1)
    assert (section["kev"], section["deferred"], section["deferred_by"]) == (1, 1, {"no-dsa": 1})
    assert section["hosts_unknown"] == 0 and [each["name"] for each in section["index"]["sources"]] == ["debian", "kev"]
    assert told(report) == {"vulns_critical": ("fail", 2), "patch_sla": ("pass", 0), "audit_complete": ("pass", 0)}
    # Once for the fleet, hosts by reference, the most urgent first: exploited, critical, the rest.
    groups = section["groups"]
    assert [(each["subject"], each["check_id"], each["severity"], each["hosts"]) for each in groups] == [
        ("vim", "fixed:3-1", "critical", 1),
        ("bash", "CVE-3", "critical", 2),
        ("openssl", "DSA-1", "high", 3),
    ]
    ways = {tuple(way["hosts"]): (way["pending"], way["blocked_by"]) for way in groups[2]["where"]}
    assert ways == {("web1", "web2"): (True, "held"), ("db1",): (False, None)}
    assert all(each["source"] != "advisory" for each in report["findings"])
    hosts = {each["name"]: each["vulnerabilities"] for each in report["hosts"]}
    assert (hosts["web1"]["critical"], hosts["db1"]["kev"], hosts["new"]["critical"]) == (1, 1, 0)
    assert all("index" not in engine for host in report["hosts"] for engine in host["audit"]["engines"])


def test_without_an_index_the_audit_is_complete_and_the_figure_is_not_known(audit):
    report = audit({"web1": WEB})
    assert told(report) == {
        "vulns_critical": ("unknown", None),
        "patch_sla": ("pass", 0),
        "audit_complete": ("pass", 0),
    }
    assert "playbooks/advisories.yml" in report["gates"][0]["reason"]
    assert report["vulnerabilities"]["critical"] is None and report["vulnerabilities"]["fixable"]["critical"] is None
    assert "not known: no advisory index was built" in security.render(report)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"stale": True, "refreshed_at": None}}, "stale"),
        ({"host": {"os_id": "gentoo", "os_version": "2"}}, "no advisory source speaks of gentoo 2"),
    ],
)
def test_one_host_that_is_not_known_leaves_the_figure_open(index, audit, change, words):
    report = audit({"web1": WEB, "odd": {**CLEAN, **change}})
    section = report["vulnerabilities"]
    assert (section["critical"], section["known"]["critical"], section["hosts_unknown"]) == (None, 1, 1)
    assert [each["host"] for each in section["unknown_hosts"]] == ["odd"]
    assert [told(report)[gate][0] for gate in ("vulns_critical", "patch_sla")] == ["unknown", "unknown"]
    assert all("odd" in gate["reason"] for gate in report["gates"][:2])
    document = security.render(report)
    assert words in document and "## Hosts whose vulnerabilities are not known" in document
    odd = report["hosts"][1]["vulnerabilities"]
    assert (odd["status"], odd["critical"], odd["fixable"]["critical"]) == ("unknown", None, None)


def test_a_feed_that_failed_is_seen(index, audit, home):
    with Index.open(index) as opened:
        opened.failed("debian", "debian", ["debian"], 1, "HTTP 404")
    report = audit({"web1": CLEAN})
    # What is there is still current; that it could not be renewed is shown.
    assert told(report)["vulns_critical"] == ("pass", 0) and "HTTP 404" in security.render(report)


def test_what_was_current_at_the_audit_is_looked_at_again_by_the_report(index, audit):
    report = audit({"web1": CLEAN}, later=timedelta(days=3))
    assert told(report)["vulns_critical"] == ("unknown", None)
    assert "is stale" in report["unknown_because"]["vulnerabilities.critical"]
    assert [each["stale"] for each in report["vulnerabilities"]["index"]["sources"]] == [True, True]


def test_what_is_overdue_is_overdue_whatever_else_is_not_known(index, audit, home):
    audit({"web1": WEB})
    later = NOW + timedelta(days=2)
    report = audit({"web1": WEB, "odd": {**CLEAN, "metadata": {"stale": True}}}, later, "r2")
    assert told(report)["patch_sla"] == ("fail", 1)  # bash's critical one; openssl has a day left
    assert report["sla"] == {"breached": 1, "due_soon": None}
    groups = report["vulnerabilities"]["groups"]
    assert [(each["subject"], each["sla_state"]) for each in groups] == [("bash", "breached"), ("openssl", "ok")]
    assert groups[0]["first_seen"] == times.iso(NOW)
    assert report["hosts"][0]["vulnerabilities"]["overdue"] is None  # its feeds have become stale meanwhile
    document = security.render(report)
    assert "OVERDUE" in document and "2 d" in document


def test_the_documents(index, audit):
    report = audit({"web1": WEB, "web2": WEB, "db1": DB, "new": CLEAN})
    document = security.render(report)
    assert document == security.render(json.loads(json.dumps(report)))
    top = document.partition("\n## ")[0]
    assert len(top.splitlines()) <= 16
    assert "**Vulnerabilities**: 2 critical (1 fixable), 1 high (1 fixable), 1 low; 1 known to be exploited" in top
    assert "**Most urgent**: vim: version 3-1 fixes CVE-5 (critical, due " in top
    rows = [row for row in document.splitlines() if row.startswith(("| vim", "| bash", "| openssl"))]
    first, second, third = rows[:3]
    assert "apt-get install --only-upgrade vim" in first and "CVE-5 (exploited)" in first
    assert "no fix yet" in second and "2: web1, web2" in second
    assert "held: apt-mark unhold openssl" in third and "CVE-1 (EPSS 25.0 %)" in third and "DSA-1" in third
    for text in ("web1: 2 findings", "db1: 2 findings", "Deferred by the vendor", "no-dsa", "## Advisory sources"):
        assert text in document
    screen = "\n".join(summary.summary(report))
    assert "vulns" in screen and "2 critical (1 fixable)" in screen and "most urgent: vim" in screen
    facts = dict(status.facts(report, NOW))
    assert facts["criticals"] == "2 (1 fixable), 1 known to be exploited" and facts["overdue"] == "0"
    assert facts["next due"].startswith(("bash: CVE-3 has no fix yet on web1, web2", "vim: "))


def test_a_large_fleet_s_document_stays_readable(index, audit, home):
    fill(index, [said("openssl", f"CVE-{number}", "affected") for number in range(600)], KEV)
    report = audit({f"h{number}": WEB for number in range(3)})
    document = security.render(report)
    assert document.count("and 100 more, in reports/report.json") == 1  # of the fleet
    assert document.count("and 570 more, in reports/report.json") == 3  # of each host
    assert len(report["vulnerabilities"]["groups"]) == 600


def test_hostile_names_stay_in_their_place(index, audit, home):
    fill(index, [said("a|b`*", "CVE-<script>", fixed="2-1", advisory="x|y\x1b[31m")])
    report = audit({"web1": level([package("a|b`*", "1-1")])})
    document = security.render(report)
    assert "<script>" not in document and "\x1b" not in document and "| a|b" not in document
    assert "\x1b" not in "\n".join(summary.summary(report))


def test_the_line_of_an_audit_names_who_looked(audit, home):
    audit({"web1": WEB})
    from ansible_collections.proven.upkeep.plugins.plugin_utils import observations

    told = line.lines(observations.seen(home, "r1", "web1", "audit"))
    assert (len(told) == 1 and told[0].endswith("findings by patch")) or told[0].endswith("finding by patch")
