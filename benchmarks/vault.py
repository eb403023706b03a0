# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pull into the vault against OpenSSH's `sftp`, over loopback SSH, in turn; many hosts at once; a resumed pull.

    .venv/bin/python benchmarks/vault.py [--mb 1000] [--hosts 20] [--rounds 3]

Each pull is a process timed from outside, interpreter start included. Ours hashes what comes, waits for the disk
(fsync) and writes the entry; `sftp` does none of that. What both send is random, as compressed archives are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "collections")]

_MB = 1_000_000


def main() -> None:
    options = _options()
    if options.pull:
        print(json.dumps(pull(json.loads(options.pull))))
        return
    from tests.sshd import Sshd

    with tempfile.TemporaryDirectory(prefix="upkeep-vault-") as folder:
        place = Path(folder)
        server = Sshd(place / "sshd").start()
        try:
            results = run(place, server.config, options)
        finally:
            server.stop()
    target = ROOT / "benchmarks/results" / f"{time.strftime('%Y-%m-%d', time.gmtime())}-vault.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{target.relative_to(ROOT)}")


def run(place: Path, config: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All three questions; prints as it goes."""
    archive = _make(place / "there/archive.tar.zst", options.mb * _MB)
    found: dict[str, list[Any]] = {"ours": [], "sftp": []}
    for _round in range(options.rounds):
        found["sftp"].append(_sftp(place, config, [archive])[0])
        found["ours"].append(_ours(place, config, [archive])[0])
    sftp = statistics.median(each["wall_s"] for each in found["sftp"])
    ours = statistics.median(each["wall_s"] for each in found["ours"])
    peak = max(each["peak_mib"] - each["before_mib"] for each in found["ours"])
    print(f"one of {options.mb} MB: sftp {sftp:.2f} s, ours {ours:.2f} s: {sftp / ours:.2f}x of its speed")
    print(f"memory: {peak:.0f} MiB over what the process had before it pulled")

    resumed = _resumed(place, config, archive)
    print(f"killed in the middle: went on at {resumed['resumed_from'] / _MB:.0f} MB, {resumed['wall_s']:.2f} s more")

    many = [
        _make(place / f"there/{number}.tar.zst", options.mb * _MB // options.hosts) for number in range(options.hosts)
    ]
    began = time.monotonic()
    _sftp(place, config, many)
    sftp_many = time.monotonic() - began
    began = time.monotonic()
    at_once = _ours(place, config, many)
    ours_many = time.monotonic() - began
    failed = options.hosts - len(at_once)
    print(f"{options.hosts} at once: sftp {sftp_many:.2f} s, ours {ours_many:.2f} s; failed: {failed}")
    return {
        **found, "resumed": resumed, "at_once": {"sftp_wall_s": sftp_many, "ours_wall_s": ours_many, "ours": at_once},
        "mb": options.mb, "hosts": options.hosts, "cpus": os.cpu_count(),
    }  # fmt: skip


def pull(job: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: what an action's worker does, but for Ansible."""
    from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp.target import Target
    from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import part, store, ways
    from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.pull import Puller

    before = _memory("VmRSS")
    files = [part.Wanted(job[key]["path"], job[key]["bytes"], job[key]["sha256"]) for key in ("archive", "manifest")]
    offered = store.Offered("bench", "set", "2026-11-23T08:34:03Z", *files, files[0].sha256, ".tar.zst")
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    entry, went = store.store(folder, offered, Puller(ways.Sftp(Target("there", arguments=("-F", job["config"])))))
    return {"bytes": entry.bytes, "resumed_from": went.resumed_from, "before_mib": before, "peak_mib": _memory("VmHWM")}


def _ours(place: Path, config: Path, archives: list[dict[str, Any]], keep: bool = False) -> list[dict[str, Any]]:
    processes = [_start(place, config, archive) for archive in archives]
    found = []
    for began, process in processes:
        output = process.communicate()[0]
        if process.returncode == 0:
            found.append({"wall_s": time.monotonic() - began, **json.loads(output)})
    if not keep:
        shutil.rmtree(place / "vault")
    return found


def _start(place: Path, config: Path, archive: dict[str, Any]) -> tuple[float, subprocess.Popen[str]]:
    job = {**archive, "folder": str(place / "vault" / archive["name"]), "config": str(config)}
    command = [sys.executable, __file__, "--pull", json.dumps(job)]
    return time.monotonic(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _sftp(place: Path, config: Path, archives: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (place / "got").mkdir()
    processes = []
    for archive in archives:
        batch = place / f"{archive['name']}.batch"
        batch.write_text("".join(f"get {archive[key]['path']} {place}/got/\n" for key in ("manifest", "archive")))
        command = ["sftp", "-q", "-F", str(config), "-b", str(batch), "there"]
        processes.append((time.monotonic(), subprocess.Popen(command, stdout=subprocess.DEVNULL)))
    found = []
    for began, process in processes:
        if process.wait() != 0:
            raise SystemExit("sftp failed")
        found.append({"wall_s": time.monotonic() - began})
    shutil.rmtree(place / "got")
    return found


def _resumed(place: Path, config: Path, archive: dict[str, Any]) -> dict[str, Any]:
    process = _start(place, config, archive)[1]
    while not any(each.stat().st_size > archive["archive"]["bytes"] // 2 for each in place.glob("vault/*/*.zst.part")):
        if process.poll() is not None:
            raise SystemExit("it ended before it could be killed")
        time.sleep(0.01)
    process.kill()
    process.wait()
    return _ours(place, config, [archive])[0]


def _make(path: Path, size: int) -> dict[str, Any]:
    path.parent.mkdir(exist_ok=True)
    told: dict[str, Any] = {"name": path.name}
    for key, file, length in (("archive", path, size), ("manifest", Path(f"{path}.manifest.jsonl.gz"), 100_000)):
        digest = hashlib.sha256()
        with file.open("wb") as stream:
            for begin in range(0, length, _MB):
                piece = os.urandom(min(_MB, length - begin))
                digest.update(piece)
                stream.write(piece)
        told[key] = {"path": str(file), "bytes": length, "sha256": digest.hexdigest()}
    return told


def _memory(field: str) -> float:
    """In MiB, of this process (proc(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pull", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
