# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long it takes to match a whole fleet with the advisory index, and how that grows.

    .venv/bin/python benchmarks/match_fleet.py --findings           # 100, 1,000 and 10,000 hosts, 700 packages each
    .venv/bin/python benchmarks/match_fleet.py --hosts 100 --processes 1

The index is simulated at the size of the real ones (30,000 and more rows a release, a few packages with thousands of
them). So is the fleet: four releases, a base that all hosts of a release share, roles that share packages, and versions
that drift, since hosts are patched on different days and now and then a package stays behind. From one seed, so that
every run matches the same. CPU seconds are of all processes: on a machine that does nothing else, wall is their share
of a core. With --keep, figures go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import findings  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.host import Affected, match_host  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.match import Matcher  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import (  # noqa: E402
    Exploited,
    Score,
    Statement,
)

RESULTS = Path(__file__).resolve().parent / "results"
GOAL_S, GOAL_MIB = 60, 1024
RELEASES = {"debian:12": 0.4, "ubuntu:22.04": 0.3, "debian:13": 0.2, "rhel:9": 0.1}
ROWS, SOURCES, PACKAGES, BASE, ROLES = 32_000, 1_800, 700, 450, 12
STEPS = 8  # the most updates that a package has had since the release
NEVER_UPDATED = 0.7  # of the packages, as in a stable release
UPDATES: list[int] = []
SEVERITIES = ("critical", "high", "medium", "low", None)


def steps_of(source: int) -> int:
    """How many updates a source has had."""
    dice = random.Random(source)
    return 0 if dice.random() < NEVER_UPDATED else dice.randrange(1, STEPS)


def version(source: int, step: int, release: str) -> str:
    """The version of a source after so many updates."""
    if release.startswith("rhel"):
        return f"{source % 9}.{source % 40}.{source % 7}-{10 + step}.el9"
    return f"{source % 9}.{source % 40}.{source % 7}-{1 + source % 3}+deb12u{step}"


UPDATES.extend(steps_of(source) for source in range(SOURCES))


def build_index(path: Path) -> None:
    """ROWS statements for each release; the first sources have most of them, as a kernel and a browser do."""
    dice = random.Random(1)
    weights = [1 / (place + 3) for place in range(SOURCES)]
    with Index.open(path, create=True) as index:
        for release in RELEASES:
            with index.replacing(release, release, [release.partition(":")[0]], 10**9) as load:
                sources = dice.choices(range(SOURCES), weights, k=ROWS)
                load.add(_statement(dice, release, source, number) for number, source in enumerate(sources))
        with index.replacing("kev", "KEV", [], 10**9) as load:
            load.add(Exploited(f"CVE-{dice.randrange(ROWS)}", "2026-01-01T00:00:00Z") for _number in range(1400))
        with index.replacing("epss", "EPSS", [], 10**9) as load:
            load.add(Score(f"CVE-{number}", dice.random() ** 4, 0.5) for number in range(ROWS))


def _statement(dice: random.Random, release: str, source: int, number: int) -> Statement:
    kind = dice.choices(("old", "recent", "open", "deferred", "not_affected"), (80.6, 7, 0.4, 6, 6))[0]
    status = "fixed" if kind in ("old", "recent") else "not_affected" if kind == "not_affected" else "affected"
    # Most of what is known was fixed before the release came out.
    step = dice.randint(1, updates) if kind == "recent" and (updates := UPDATES[source]) else 0
    return Statement(
        release, f"src{source}", "source", f"CVE-{number}", status,
        fixed=version(source, step, release) if status == "fixed" else None,
        advisory=f"DSA-{source}-{step}" if step else None,
        severity=dice.choices(SEVERITIES, (2, 20, 40, 20, 18))[0],
        deferred="no-dsa" if kind == "deferred" else None,
        published="2026-01-01T00:00:00Z",
    )  # fmt: skip


def fleet(first: int, last: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The hosts of a range: each is the same whoever asks for it. Packages of one version are one mapping."""
    shared: dict[tuple[str, int, int], dict[str, Any]] = {}
    releases, weights = list(RELEASES), list(RELEASES.values())
    for number in range(first, last):
        dice = random.Random(1000 + number)
        release = dice.choices(releases, weights)[0]
        role = dice.randrange(ROLES)
        of_role = random.Random(role).sample(range(BASE, SOURCES), PACKAGES - BASE)
        day = min(int(dice.expovariate(0.5)), STEPS - 1)  # most are patched lately, some were long ago
        installed = []
        for source in (*range(BASE), *of_role):
            behind = dice.randrange(1, STEPS) if dice.random() < 0.02 else 0
            step = max(UPDATES[source] - day - behind, 0)
            key = (release, source, step)
            if key not in shared:
                shared[key] = _package(*key)
            installed.append(shared[key])
        os_id, _colon, os_version = release.partition(":")
        host = {"os_id": os_id, "os_version": os_version, "container": True}
        yield f"host{number}", {"host": host, "manager": "apt", "installed": installed, "pending": []}


def _package(release: str, source: int, step: int) -> dict[str, Any]:
    name, found = f"src{source}", version(source, step, release)
    return {
        "name": f"lib{name}", "arch": "amd64", "version": found, "source_name": name, "source_version": found,
        "held": False, "auto": True, "state": "installed", "module": None,
    }  # fmt: skip


def fold(release: str, affected: Affected) -> tuple[Counter[str], Counter[tuple[str, ...]]]:
    """(how many vulnerabilities by state, how many by what fixes them)."""
    fixable = (one for one in affected.vulnerabilities if one.state == "fixable")
    return (
        Counter(one.state for one in affected.vulnerabilities),
        Counter((release, findings.fix_id(one), affected.source) for one in fixable),
    )


def match_range(task: tuple[str, int, int, bool]) -> dict[str, Any]:
    """Match a range of hosts in this process, and fold what was found into fleet-wide figures."""
    path, first, last, with_findings = task
    figures: Counter[str] = Counter()
    groups: Counter[tuple[str, ...]] = Counter()
    folded: dict[int, tuple[Counter[str], Counter[tuple[str, ...]]]] = {}
    times: Counter[int] = Counter()
    making = 0.0
    with Index.open(Path(path)) as index:
        matcher = Matcher(index)
        hosts = fleet(first, last)
        while True:
            before = time.process_time()
            found = next(hosts, None)
            making += time.process_time() - before
            if found is None:
                break
            name, level = found
            match = match_host(level, matcher)
            for affected in match.affected:
                # Hosts share what a version has (the matcher keeps it): it is looked through once.
                key = id(affected.vulnerabilities)
                if key not in folded:
                    folded[key] = fold(str(match.release), affected)
                times[key] += 1
            if with_findings:
                figures["findings"] += len(findings.of_match(level, match, "bench", name, "2026-01-01T00:00:00Z"))
    for key, count in times.items():
        of_states, of_groups = folded[key]
        figures.update({state: number * count for state, number in of_states.items()})
        groups.update({group: number * count for group, number in of_groups.items()})
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "figures": figures, "groups": groups, "judged": matcher.judged, "making_s": making, "rss_mib": rss,
        "cpu_s": time.process_time(),
    }  # fmt: skip


def measure(path: Path, hosts: int, processes: int, with_findings: bool) -> dict[str, Any]:
    """One row: hosts shared out to processes, each a new one."""
    edges = [hosts * part // processes for part in range(processes + 1)]
    tasks = [(str(path), first, last, with_findings) for first, last in zip(edges, edges[1:])]
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        parts = list(pool.map(match_range, tasks))
    wall = time.perf_counter() - started
    figures: Counter[str] = sum((part["figures"] for part in parts), Counter())
    groups: Counter[Any] = sum((part["groups"] for part in parts), Counter())
    return {
        "hosts": hosts, "processes": processes, "findings_made": with_findings, "wall_s": round(wall, 2),
        "cpu_s": round(sum(part["cpu_s"] for part in parts), 2),
        "of_it_simulating_cpu_s": round(sum(part["making_s"] for part in parts), 2),
        "rss_mib": round(sum(part["rss_mib"] for part in parts), 1),
        "judged": sum(part["judged"] for part in parts), "installed": hosts * PACKAGES, "groups": len(groups),
        **{name: figures[name] for name in ("fixable", "unfixed", "deferred", "findings")},
    }  # fmt: skip


def reading_ms() -> float:
    """What it takes to read one host's recorded patch level, which is not in the rows: milliseconds."""
    documents = [json.dumps(level) for _host, level in fleet(0, 20)]
    started = time.perf_counter()
    for document in documents:
        json.loads(document)
    return round(1000 * (time.perf_counter() - started) / len(documents), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--findings", action="store_true", help="also with each host's findings made, as its audit does"
    )
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/<date>-match-fleet.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="upkeep-bench-") as work:
        path = Path(work) / "advisories.db"
        started = time.perf_counter()
        build_index(path)
        index = {
            "rows_a_release": ROWS, "releases": len(RELEASES), "bytes": path.stat().st_size,
            "built_s": round(time.perf_counter() - started, 1),
        }  # fmt: skip
        print(f"index: {len(RELEASES)} releases of {ROWS:,} rows, {index['bytes'] / 1e6:.1f} MB")
        print("   hosts  findings   wall s    CPU s  of it simulating  MiB in all    judged  of packages")
        rows = []
        for hosts in options.hosts:
            for with_findings in (False, True) if options.findings else (False,):
                row = measure(path, hosts, options.processes, with_findings)
                rows.append(row)
                print(
                    f"{hosts:8,}  {'made' if with_findings else '-':8}  {row['wall_s']:7.2f}  {row['cpu_s']:7.2f}  "
                    f"{row['of_it_simulating_cpu_s']:16.2f}  {row['rss_mib']:10.1f}  {row['judged']:8,}  "
                    f"{row['installed']:11,}"
                )
    last = [row for row in rows if not row["findings_made"]][-1]
    verdict = "met" if last["wall_s"] < GOAL_S and last["rss_mib"] < GOAL_MIB else "missed"
    print(f"goal: {last['hosts']:,} hosts in under {GOAL_S} s and {GOAL_MIB} MiB: {verdict}")
    report = {
        "schema": "upkeep.benchmark/1", "created": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "command": " ".join(["benchmarks/match_fleet.py", *sys.argv[1:]]), "index": index, "rows": rows,
        "reading_ms_a_host": reading_ms(), "load_before": load, "load": os.getloadavg()[0],
        "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.platform()},
        "goals": [{"hosts": last["hosts"], "wall_s": GOAL_S, "rss_mib": GOAL_MIB, "status": verdict}],
    }  # fmt: skip
    if options.keep:
        file = RESULTS / f"{datetime.now(timezone.utc):%Y-%m-%d}-match-fleet.json"
        file.write_text(json.dumps(report, indent=1) + "\n")
        print(f"written to {file}")


if __name__ == "__main__":
    main()
