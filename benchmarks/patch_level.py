# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch level against its peers, in turn, in the same run.

    .venv/bin/python benchmarks/patch_level.py                          # this machine's own, as processes
    .venv/bin/python benchmarks/patch_level.py -i inventories/lab       # and as plays, on hosts that have needrestart

The plays need the lab (`make lab`, then `--install` once: it puts needrestart and python3-apt on the hosts). Figures
are medians; they and each single run go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from _cases import Case, Goal
from run import judge, keep, machine, measure, shell, show
from where_the_time_goes import ROOT
from where_the_time_goes import run as play

PACKAGES = "process: packages"
PLAY = "play: all hosts"
SYSTEM = "/usr/bin/python3"
# What the module does between the start of its interpreter and its answer, the scan of processes in a row of its own.
COLLECT = """
import sys
sys.path.insert(0, {collections!r})
from ansible_collections.proven.upkeep.plugins.module_utils.packages.collect import collect
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options
collect(Options(bindings={bindings!r}, scan_services={scan}))
"""
PEER_PLAY = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.setup:
    - ansible.builtin.package_facts:
    - ansible.builtin.apt:
        upgrade: dist
      check_mode: true
    - ansible.builtin.stat:
        path: /run/reboot-required
    - ansible.builtin.command: needrestart -b -r l
      changed_when: false
"""
OUR_PLAY = """
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - proven.upkeep.patch_level:
"""
FORGET = "rm -rf /var/lib/upkeep/patch_level"


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="upkeep-bench-") as work:
        env = {
            **os.environ,
            "LC_ALL": "C.UTF-8",
            "UPKEEP_STATE_DIR": f"{work}/state",
            "ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg",
        }
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        found, goals = processes(Path(work))
        if options.inventory:
            more, wanted = plays(Path(work), options.inventory)
            found, goals = found + more, goals + wanted
            if options.install:
                install = "apt-get -qq install --no-install-recommends needrestart python3-apt </dev/null"
                shell(_ad_hoc(options.inventory, f"DEBIAN_FRONTEND=noninteractive {install}"), env)
        rows = measure(found, options.rounds, env)
        seconds = module_times(options.inventory, options.rounds, work) if options.inventory else {}
    report = {
        "schema": "upkeep.benchmark/1", "created": f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        "command": " ".join(["benchmarks/patch_level.py", *sys.argv[1:]]), "rounds": options.rounds, "caches": "warm",
        "machine": machine(SYSTEM, {"pigz", "zstd", "restic", "borg"}), "rows": rows, "module_seconds": seconds,
        "goals": [judged for goal in goals if (judged := judge(goal, rows)) is not None],
    }  # fmt: skip
    if seconds:
        every = sorted(value for values in seconds.values() for value in values)
        p95 = statistics.quantiles(every, n=20)[-1]
        report["goals"].append({
            "group": "module: all hosts", "case": "patch_level", "goal": "p95 of the task at most 0.5 s",
            "seen": round(p95, 3), "met": p95 <= 0.5,
        })  # fmt: skip
    show(report)
    options.only, options.quick = ["patch-level"], False
    print(f"\n  written to {keep(report, options)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", help="hosts for the plays")
    parser.add_argument("--install", action="store_true", help="install needrestart on them first")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def ours(bindings: str, scan: bool = False) -> str:
    code = COLLECT.format(collections=str(ROOT / "collections"), bindings=bindings, scan=scan)
    return shlex.join([SYSTEM, "-c", code])


def processes(work: Path) -> tuple[list[Case], list[Goal]]:
    state = work / "state" / "patch_level"
    forget, answer = f"rm -rf {state}", f"rm -f {state}/last-apt.json"
    cases = [Case(PACKAGES, "python3 -c pass", f"{SYSTEM} -c pass")]
    for bindings, name in (("auto", "python-apt"), ("never", "commands")):
        cases += [
            Case(PACKAGES, f"ours, {name}", ours(bindings), ready=forget),
            Case(PACKAGES, f"ours, {name}, excerpt kept", ours(bindings), ready=f"{ours(bindings)}; {answer}"),
            Case(PACKAGES, f"ours, {name}, unchanged", ours(bindings), ready=ours(bindings)),
        ]
    cases += [
        Case(PACKAGES, "ours, unchanged, with the scan", ours("auto", True), ready=ours("auto")),
        Case(PACKAGES, "apt-get -s dist-upgrade", "apt-get -s -qq dist-upgrade"),
        Case(PACKAGES, "apt list --upgradable", "apt list --upgradable"),
        Case(PACKAGES, "dpkg-query -W", "dpkg-query -W"),
    ]
    limits = {
        "ours, python-apt": 0.75, "ours, commands": 0.75, "ours, python-apt, excerpt kept": 0.25,
        "ours, commands, excerpt kept": 0.25, "ours, python-apt, unchanged": 0.06, "ours, commands, unchanged": 0.06,
    }  # fmt: skip
    goals = [Goal(PACKAGES, name, "wall_s", limit, plus="python3 -c pass") for name, limit in limits.items()]
    scan = Goal(PACKAGES, "ours, unchanged, with the scan", "wall_s", 0.08, plus="ours, python-apt, unchanged")
    return cases, [*goals, scan]


def plays(work: Path, inventory: str) -> tuple[list[Case], list[Goal]]:
    files = {"ours": OUR_PLAY, "peer": PEER_PLAY}
    commands = {}
    for name, text in files.items():
        (work / f"{name}.yml").write_text(text)
        commands[name] = f"cd {ROOT} && ansible-playbook -i {shlex.quote(inventory)} {work}/{name}.yml"
    peer = "setup, package_facts, apt, stat, needrestart"
    cases = [
        Case(PLAY, "ours", commands["ours"], ready=_ad_hoc(inventory, FORGET)),
        Case(PLAY, "ours, unchanged", commands["ours"], ready=commands["ours"]),
        Case(PLAY, peer, commands["peer"]),
    ]
    return cases, [Goal(PLAY, name, "wall_s", 4, peer=peer, faster=True) for name in ("ours", "ours, unchanged")]


def _ad_hoc(inventory: str, command: str) -> str:
    return f"cd {ROOT} && ansible all -i {shlex.quote(inventory)} -b -m ansible.builtin.shell -a {shlex.quote(command)}"


def module_times(inventory: str, rounds: int, work: str) -> dict[str, list[float]]:
    """Seconds that the task took on each host, from the controller's side; each second time nothing is remembered."""
    found: dict[str, list[float]] = {}
    environment = {**os.environ, "ANSIBLE_CONFIG": f"{ROOT}/ansible.cfg"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    for number in range(2 * rounds):
        if number % 2 == 0:
            shell(_ad_hoc(inventory, FORGET), environment)
        events, _took = play("playbooks/patch_level.yml", inventory, f"{work}/home")
        for event in events:
            data = event.get("event_data", {})
            if event["event"] == "runner_on_ok" and data["task_action"] == "proven.upkeep.patch_level":
                found.setdefault(data["host"], []).append(round(data["duration"], 3))
    print(json.dumps(found, indent=1))
    return found


if __name__ == "__main__":
    main()
