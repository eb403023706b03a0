# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL server for a load test: its own cluster, its own socket, no TCP, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from typing import Any, Dict, Iterator, List

from . import processes
from ._bench import bench
from ._pg_session import Way, installed
from .model import Failed, Job, Unavailable

# Nothing here must survive a crash of the machine.
_FAST = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
    "autovacuum=off", "listen_addresses=", "shared_buffers=32MB", "max_connections=20", "logging_collector=off",
)  # fmt: skip
_OWN = "upkeep_drill"  # no role of the dump's is named so: `CREATE ROLE postgres` must find none
_STARTS_WITHIN_S = 120


@contextlib.contextmanager
def running(job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Way]:
    """An empty server of the dump's version or a newer one. Raises Unavailable where none is installed."""
    wanted = max(_major(item["server"]) for item in items)
    fit = [folder for version, folder in installed("initdb") if version >= wanted]
    if not fit:
        raise Unavailable(f"no PostgreSQL server {wanted} or newer is installed here; install postgresql-{wanted}")
    programs = fit[-1]  # the nearest version
    user = processes.first_account("postgres")
    with bench(scratch, user, sum(item["bytes"] for item in items)) as folder:
        data = os.path.join(folder, "data")
        processes.run(
            [os.path.join(programs, "initdb"), "-D", data, "-U", _OWN, "--auth=trust", "--no-sync", "--no-locale",
             "--encoding=UTF8"], seconds=min(job.left(), _STARTS_WITHIN_S), user=user, cwd=folder,
        )  # fmt: skip
        way = Way(folder, None, _OWN, user, programs)
        argv = [os.path.join(programs, "postgres"), "-D", data, "-c", f"unix_socket_directories={folder}"]
        argv += [text for setting in _FAST for text in ("-c", setting)]

        def ready() -> bool:
            try:
                way.ask("template1", "SELECT 1", 10)
            except Failed:
                return False
            return True

        with processes.server(argv, ready, folder, user, _STARTS_WITHIN_S, signal.SIGINT, signal.SIGQUIT):
            yield way


def _major(server: str) -> int:
    number = re.search(r"\d+", server)
    return int(number.group()) if number else 0
