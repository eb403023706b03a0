# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time and memory of backups and verifications against their peers, in turn, in the same run.

    python3 benchmarks/run.py --quick             # a few minutes; what to run before and after a change
    python3 benchmarks/run.py                     # 50,000 small files, one file of 1 GB, 200 small files
    python3 benchmarks/run.py --only small:zst    # the groups that have this in their name
    python3 benchmarks/run.py --million           # a million entries; half an hour and 8 GB of disk

Every command is a process of its own, timed from outside with all that it starts; caches are warm. Figures are medians;
they and each single run go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional

import _trees
from _cases import COMMUNITY, TOOLS, Bench, Case, Goal, cases

RESULTS = Path(__file__).resolve().parent / "results"
MEASURES = ("wall_s", "cpu_s", "rss_mib", "bytes")


def main() -> None:
    options = _options()
    if options.install:
        install()
    missing = {command for command in TOOLS if not shutil.which(command)}
    for command in sorted(missing):
        print(f"  not measured: {command} is not installed (--install, or: apt-get install {TOOLS[command]})")
    if not COMMUNITY.exists():
        missing.add(str(COMMUNITY))
        print("  not measured: community.general.archive (--install makes a virtual environment for it)")
    with tempfile.TemporaryDirectory(prefix="upkeep-bench-", dir=options.work) as work:
        benches = build(options, Path(work))
        env = {
            **os.environ, "LC_ALL": "C", "UPKEEP_STATE_DIR": f"{work}/state", "HOME": work, "RESTIC_PASSWORD": "bench",
            "BORG_BASE_DIR": f"{work}/borg-base", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }  # fmt: skip
        found, goals = cases(benches)
        found = [case for case in found if case.needs not in missing and wanted(case, options.only)]
        for name, bench in benches.items():
            if any(case.group.startswith(f"{name}:") for case in found):
                for command in bench.once():
                    shell(command, env)
        if any(case.name.startswith("restic restore") for case in found):
            shell(benches["small"].restic_once(), env)
        rows = measure(found, options.rounds, env)
        trees = {
            name: {"files": bench.tree.files, "entries": bench.tree.entries, "bytes": bench.tree.size}
            for name, bench in benches.items()
        }
    report = {
        "schema": "upkeep.benchmark/1", "created": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "command": " ".join(["python3 benchmarks/run.py", *sys.argv[1:]]), "rounds": options.rounds,
        "caches": "warm", "machine": machine(options.python, missing), "trees": trees, "rows": rows,
        "goals": [judged for goal in goals if (judged := judge(goal, rows)) is not None],
    }  # fmt: skip
    show(report)
    print(f"\n  written to {keep(report, options)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5,000 small files, one file of 64 MB, two rounds")
    parser.add_argument("--rounds", type=int, help="how often each command is run (5; with --quick 2)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="groups with this in their name")
    parser.add_argument("--files", type=int, help="how many small files (50000)")
    parser.add_argument("--large-mib", type=int, help="size of the one large file (1024)")
    parser.add_argument("--million", action="store_true", help="a tree of a million entries too")
    parser.add_argument("--install", action="store_true", help="install missing peers first (root, Debian-like)")
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that runs ours")
    parser.add_argument("--work", help="the folder for trees and archives (the system's temporary folder)")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.files = options.files or (5_000 if options.quick else 50_000)
    options.large_mib = options.large_mib or (64 if options.quick else 1024)
    return options


def install() -> None:
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit("--install: only for root on a Debian-like system; install the peers yourself, or go without them.")
    if not COMMUNITY.exists():
        subprocess.run([sys.executable, "-m", "venv", str(COMMUNITY.parent.parent)], check=True)
        subprocess.run([str(COMMUNITY.parent / "pip"), "install", "-q", "ansible"], check=True)
    packages = [package for command, package in TOOLS.items() if not shutil.which(command)]
    if packages:
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], check=True)


def wanted(case: Case, only: List[str]) -> bool:
    flat = case.group.replace(" ", "")
    return not only or any(text.replace(" ", "") in flat for text in only)


def build(options: argparse.Namespace, work: Path) -> Dict[str, Bench]:
    """The trees that the chosen groups are about, made by another process: a child's peak memory counts from ours."""
    names = [name for name in _trees.NAMES if name != "million" or options.million]
    if options.only:
        every = [text for text in options.only if not text.startswith(_trees.NAMES)]
        names = [name for name in names if every or any(text.startswith(name) for text in options.only)]
    with ProcessPoolExecutor(1) as other:
        trees = other.submit(_trees.build, work / "trees", names, options.files, options.large_mib << 20).result()
    for name, tree in trees.items():
        print(f"  tree {name}: {tree.files} files, {tree.entries} entries, {tree.size / 1e6:.0f} MB", flush=True)
    return {name: Bench(name, tree, work, options.python) for name, tree in trees.items()}


def shell(command: str, env: Dict[str, str]) -> Dict[str, float]:
    """Wall, CPU and peak memory of a shell command and everything it waited for. Ends the program when it fails."""
    before = time.monotonic()
    process = subprocess.Popen(["/bin/sh", "-c", command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read() if process.stderr else b""
    _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - before
    process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    if process.returncode:
        sys.exit(f"failed ({process.returncode}): {command}\n{complaint.decode(errors='replace')[-2000:]}")
    # the largest process among them; a child starts with this runner's own peak, so less than that is not seen
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_mib": usage.ru_maxrss / 1024}


def measure(found: List[Case], rounds: int, env: Dict[str, str]) -> List[Dict[str, Any]]:
    """A row a case: medians, and the single runs. Groups one after the other, a group's cases in turn."""
    rows = []
    for group in dict.fromkeys(case.group for case in found):
        here = [case for case in found if case.group == group]
        runs: Dict[str, List[Dict[str, float]]] = {case.name: [] for case in here}
        for number in range(rounds):
            print(f"  {group}: round {number + 1} of {rounds}", end="\r", flush=True)
            for case in here:
                if case.ready:
                    shell(case.ready, env)
                runs[case.name].append({**shell(case.command, env), "bytes": size_of(case.output)})
        for case in here:
            medians = {key: statistics.median(run[key] for run in runs[case.name]) for key in MEASURES}
            rows.append({"group": group, "name": case.name, **medians, "runs": runs[case.name]})
    return rows


def size_of(output: str) -> int:
    path = Path(output)
    if not output:
        return 0
    return sum(p.lstat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def judge(goal: Goal, rows: List[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """What was wanted and what was seen; None where a case was not measured."""
    by_name = {row["name"]: row for row in rows if row["group"] == goal.group}
    if not {goal.ours, goal.peer or goal.ours, goal.plus or goal.ours} <= set(by_name):
        return None
    ours = by_name[goal.ours][goal.measure]
    peer = by_name[goal.peer][goal.measure] if goal.peer else 1.0
    if goal.faster:
        seen, met = peer / ours, peer / ours >= goal.limit
        text = f"{goal.limit:g} times faster than {goal.peer}"
    else:
        spare = by_name[goal.plus][goal.measure] if goal.plus else 0.0
        seen = (ours - spare) / peer
        met = seen <= goal.limit
        than = f" of {goal.peer}" if goal.peer else ""
        text = f"{goal.measure} at most {goal.limit:g}{than}" + (f", after the time of {goal.plus}" * bool(goal.plus))
    return {"group": goal.group, "case": goal.ours, "goal": text, "seen": round(seen, 3), "met": met}


def machine(python: str, missing: set) -> Dict[str, Any]:
    """Its shape, and the versions that the figures depend on; nothing that names it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    asked = {name: f"{name} --version" for name in ("tar", *TOOLS) if name not in missing}
    asked.update({"restic": "restic version"} if "restic" in asked else {})
    tools = {}
    for name, command in asked.items():
        told = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        tools[name] = (told.stdout + told.stderr).partition("\n")[0]
    return {
        "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory / 2**30), "architecture": platform.machine(),
        "python": version, "tools": tools, "missing": sorted(os.path.basename(name) for name in missing),
        "rss_floor_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }  # fmt: skip


def show(report: Dict[str, Any]) -> None:
    shape = report["machine"]
    print(f"\n  {shape['cores']} cores, {shape['memory_gib']} GiB, {shape['python']}; medians of {report['rounds']}\n")
    first: Dict[str, float] = {}
    print(f"  {'group':22} {'':26} {'wall s':>8} {'ratio':>6} {'CPU s':>8} {'peak MiB':>9} {'MB':>8}")
    for row in report["rows"]:
        ratio = first.setdefault(row["group"], row["wall_s"]) / row["wall_s"]
        print(
            f"  {row['group']:22} {row['name']:26} {row['wall_s']:8.2f} {ratio:6.2f} {row['cpu_s']:8.2f} "
            f"{row['rss_mib']:9.0f} {row['bytes'] / 1e6:8.1f}"
        )
    print("\n  ratio: the first line's wall by this line's\n")
    for goal in report["goals"]:
        verdict = "met   " if goal["met"] else "missed"
        print(f"  {verdict} {goal['group']}, {goal['case']}: {goal['seen']} ({goal['goal']})")


def keep(report: Dict[str, Any], options: argparse.Namespace) -> str:
    what = "-".join(options.only) or ("quick" if options.quick else "full")
    name = "".join(c if c.isalnum() else "-" for c in what).strip("-")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{report['created'][:10]}-{name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return str(path.relative_to(RESULTS.parent.parent))


if __name__ == "__main__":
    main()
