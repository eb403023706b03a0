# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is to restore of a host, from the evidence; and the playbook run that restores it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.proven.upkeep.plugins.module_utils import times  # noqa: E402
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, proofs  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import amount, duration, size, table  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.report.coverage import WHOLE, Coverage  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index  # noqa: E402


def run(options: Namespace) -> int:
    """Without a host, list every host's sets; without a set, that host's; else restore, or show what it would do."""
    if options.host and options.set:
        return _restore(options)
    if options.set or options.yes:
        print("HOST and SET: a restore needs both, as in `make restore HOST=web1 SET=etc`.", file=sys.stderr)
        return 2
    try:
        home = homes.resolve(options.home).path
    except UpkeepError as error:
        print(error.message, file=sys.stderr)
        return 1
    found = rows(home, options.host, times.now())
    if not found:
        whose = f"of {options.host} " if options.host else ""
        print(f"There is no backup {whose}on record in {home / 'backups'}: run `make maintain` first.", file=sys.stderr)
        return 1
    print("\n".join(table([("HOST", "SET", "CREATED", "AGE", "SIZE", "FILES", "PROVEN", "ARCHIVE"), *found])))
    print("\nmake restore HOST=… SET=… [AT=<created, or a day>] [PATHS=/a,/b] [DUMPS=all] [DEST=/somewhere]")
    print("[OVERWRITE=always] shows what a restore would do; with YES=1 it does it.")
    return 0


def rows(home: Path, host: str | None, now: datetime) -> list[tuple[str, ...]]:
    """A row for each archive on record, the newest of each set first, of one host or of all."""
    found: list[tuple[str, ...]] = []
    coverage = Coverage(home)
    for its_host, name in evidence.sets(home):
        folder = evidence.place(home, its_host, name)
        success = evidence.last_success(folder)
        if success is None or host not in (None, "", its_host) or (its_host, name) == ("localhost", "workflows"):
            continue
        drills = proofs.of_set(home, its_host, name)
        last = evidence.last_restore(folder)
        in_vault = {one.archive_sha256: one for one in index.entries(home, its_host, name)}
        proven = _proven(coverage, success, last)
        found.append((its_host, name, *_row(success, now), proven, _place(success, in_vault)))
        history = success.get("history") or {}
        for older in history.get("newest") or []:
            proven = _drilled(coverage, older, drills)
            found.append((its_host, name, *_row(older, now), proven, _place(older, in_vault)))
        for one in in_vault.values():  # what is left
            archive = {"created": one.created, "bytes": one.bytes, "files": one.files, "sha256": one.archive_sha256}
            proven = _drilled(coverage, archive, drills)
            found.append(
                (its_host, name, *_row(archive, now), proven, f"{index.VAULT}/{_below(one)} (the vault alone)")
            )
        more = int(history.get("archives") or 0) - len(history.get("newest") or [])
        if more > 0:
            found.append((its_host, name, f"and {amount(more)} older ones", "", "", "", "", ""))
    return found


def _place(archive: Mapping[str, Any], in_vault: dict[str, index.Vaulted]) -> str:
    """Where it lies on the host, and whether in the vault too; takes it out of `in_vault`."""
    there = in_vault.pop(str(archive.get("sha256")), None)
    return f"{archive.get('archive')}{' (and in the vault)' if there else ''}"


def _below(one: index.Vaulted) -> str:
    return f"{index.relative(one.host, one.backup)}/{one.archive}"


def _row(archive: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    created = str(archive.get("created"))
    return created, _age(created, now), size(archive.get("bytes")), amount(archive.get("files"))


def command(options: Namespace) -> list[str]:
    """The playbook run: a dry run unless it is told `yes`."""
    wanted = {"target": options.host, "restore_set": options.set}
    wanted.update({"restore_at": options.at} if options.at else {})
    wanted.update({"restore_paths": [path.strip() for path in (options.paths or "").split(",") if path.strip()]})
    wanted.update({"restore_dumps": options.dumps} if options.dumps else {})
    wanted.update({"restore_dest": options.dest} if options.dest else {})
    wanted.update({"restore_overwrite": options.overwrite} if options.overwrite else {})
    inventory = ["-i", options.inventory] if options.inventory else []
    dry = [] if options.yes else ["--check", "--diff"]
    return ["ansible-playbook", *inventory, *options.arguments, "playbooks/restore.yml", "-e", json.dumps(wanted), *dry]


def for_real(options: Namespace) -> str:
    """The `make` line that does what a dry run showed."""
    given = {
        "INVENTORY": options.inventory, "HOST": options.host, "SET": options.set, "AT": options.at,
        "PATHS": options.paths, "DUMPS": options.dumps, "DEST": options.dest, "OVERWRITE": options.overwrite,
    }  # fmt: skip
    return " ".join(["make restore", *(f"{name}={shlex.quote(text)}" for name, text in given.items() if text), "YES=1"])


def _restore(options: Namespace) -> int:
    done = subprocess.run(command(options), cwd=ROOT, check=False, env=os.environ)
    if done.returncode == 0 and not options.yes:
        print(f"\nNothing was written. To do it:\n\n    {for_real(options)}\n")
        if not options.overwrite:
            print("What is refused above stays as it is, and the restore fails for it; OVERWRITE=always replaces it.\n")
    return done.returncode


def _proven(coverage: Coverage, success: Mapping[str, Any], drill: Mapping[str, Any] | None) -> str:
    if drill is None:
        return "never"
    if drill.get("archive_sha256") != success.get("sha256"):
        return "no: of an older archive"
    return _share(coverage, drill)


def _drilled(coverage: Coverage, archive: Mapping[str, Any], drills: Sequence[Mapping[str, Any]]) -> str:
    """By the newest drill that was of this very archive."""
    drill = next((each for each in drills if each.get("archive_sha256") == archive.get("sha256")), None)
    return _share(coverage, drill) if drill else "never"


def _share(coverage: Coverage, drill: Mapping[str, Any]) -> str:
    if drill.get("status") != "ok":
        return f"no: {drill.get('status')}"
    covered = coverage.of(str(drill["host"]), str(drill["backup"]), drill)
    return "yes" if covered == WHOLE else f"in part: {covered:g} %" if covered else "no: its hash alone"


def _age(created: str, now: datetime) -> str:
    try:
        return duration((now - times.parse(created)).total_seconds() * 1000)
    except ValueError:
        return "?"
