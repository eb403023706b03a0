# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Any program whose output is a dump, with a load test that the operator gives."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Iterator, List

from . import processes
from ._bench import bench
from .engine import Engine
from .model import FAILED, Dump, Failed, Job, Unavailable, file_name, loaded, not_loaded, taken, wrong


class Command(Engine):
    name = "command"
    loads = False

    def check(self, dump: Dump) -> None:
        if not dump.argv:
            raise wrong(f"{dump.name}: command needs argv, the program and its arguments (no shell runs them)")

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        dump = job.dump
        file = file_name(dump, None, "dump")
        path = job.new(file)
        with _secret(job) as (env, fds), open(path, "wb") as target:  # noqa: PTH123
            user = processes.account(dump.run_as)
            processes.run(
                [*dump.argv, *dump.options], seconds=job.left(), user=user, stdout=target, env=env, fds=fds
            )  # fmt: skip
        if dump.trailer:
            end = dump.trailer.encode()
            with open(path, "rb") as made:  # noqa: PTH123
                made.seek(max(0, os.path.getsize(path) - len(end) - 64))
                if not made.read().rstrip().endswith(end.rstrip()):
                    raise Failed("its output does not end with the trailer", os.path.basename(dump.argv[0]))
        yield taken(dump, None, file, "", None)

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        if not job.dump.load_argv:
            raise Unavailable("it has no load_argv; give it one, or set load_test to false")
        for item in items:
            try:
                self._run(job, item, scratch)
                yield loaded(item, None)
            except Failed as failed:
                yield not_loaded(item, FAILED, failed.why)

    def _run(self, job: Job, item: Dict[str, Any], scratch: str) -> None:
        with bench(scratch, None, item["bytes"]) as folder:
            env = {"UPKEEP_DUMP": os.path.join(job.folder, item["file"])}
            try:
                processes.run(job.dump.load_argv, seconds=job.left(), env=env, cwd=folder)
            except Failed as failed:
                code = "" if failed.code is None else f" ended with {failed.code}"
                raise Failed(f"{failed.program}{code}: {failed.why}", failed.program, failed.code)

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        return False


@contextlib.contextmanager
def _secret(job: Job) -> Iterator[Any]:
    """The secret as a file that only this program reads; `UPKEEP_SECRET_FILE` is its path."""
    if job.secret is None:
        yield {}, []
        return
    with processes.private(job.secret, processes.account(job.dump.run_as)) as fd:
        yield {"UPKEEP_SECRET_FILE": processes.at(fd)}, [fd]
