# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a run's time goes: tasks and seconds of each host, and which tasks go to the host at all.

    .venv/bin/python benchmarks/where_the_time_goes.py [-i inventories/lab] [--runs 2] [maintain.yml]

Evidence goes to a temporary folder. The first run makes new archives, the others find nothing changed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import ansible_runner

ROOT = Path(__file__).resolve().parent.parent
# What our own actions and ansible-core's do on the controller; every other task goes to the host.
ON_CONTROLLER = (
    "record",
    "run_open",
    "report",
    "gate",
    "audit_patch_level",
    "audit_advisories",
    "validate_argument_spec",
    "include_role",
    "meta",
)


def run(playbook: str, inventory: str, home: str) -> tuple[list[dict], float]:
    """The events of one run, and how long it took."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as private:
        runner = ansible_runner.interface.run(
            private_data_dir=private, project_dir=str(ROOT), playbook=playbook, inventory=str(ROOT / inventory),
            envvars={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "UPKEEP_HOME": home,
            },
            extravars={"upkeep_home": home}, quiet=True, suppress_env_files=True,
        )  # fmt: skip
        if runner.rc:
            sys.exit(f"the run failed: {runner.stdout.read()[-2000:]}")
        return list(runner.events), time.monotonic() - started


def table(events: list[dict], took: float) -> None:
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    actions = {}
    for event in events:
        if event["event"] not in ("runner_on_ok", "runner_on_failed"):
            continue
        data = event["event_data"]
        seconds[data["task"]][data["host"]].append(data["duration"])
        actions[data["task"]] = data["task_action"]
    hosts = sorted({host for each in seconds.values() for host in each})
    print(f"\n{took:.1f} s for {len(hosts)} hosts\n")
    print(f"  {'where':10} {'task':62} {'runs':>4} {'median s':>9}")
    spent = {"host": 0.0, "controller": 0.0}
    for task, by_host in seconds.items():
        where = "controller" if actions[task].rpartition(".")[2] in ON_CONTROLLER else "host"
        flat = [value for values in by_host.values() for value in values]
        middle = statistics.median(flat)
        spent[where] += middle
        print(f"  {where:10} {task[-62:]:62} {len(flat):4} {middle:9.2f}")
    tasks = {host: sum(len(by_host.get(host, [])) for by_host in seconds.values()) for host in hosts}
    trips = {
        host: sum(
            len(by_host.get(host, [])) for task, by_host in seconds.items()
            if actions[task].rpartition(".")[2] not in ON_CONTROLLER
        )
        for host in hosts
    }  # fmt: skip
    print(f"  tasks a host: {tasks}; of them on the host: {trips} (a loop counts once)")
    print(f"  a host's median seconds: {spent['host']:.1f} on the host, {spent['controller']:.1f} on the controller")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("playbook", nargs="?", default="maintain.yml")
    parser.add_argument("-i", "--inventory", default="inventories/lab")
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upkeep-") as home:
        for _number in range(options.runs):
            table(*run(options.playbook, options.inventory, home))


if __name__ == "__main__":
    main()
