# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A MariaDB or MySQL server for a load test: its own data, its own socket, no TCP, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

from . import processes
from ._bench import bench
from .model import Failed, Job, Unavailable
from .processes import Account

# Nothing here must survive a crash of the machine.
_FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M",
         "--skip-log-bin", "--max-allowed-packet=1G", "--event-scheduler=OFF", "--skip-name-resolve")  # fmt: skip
_STARTS_WITHIN_S = 120


class Server(NamedTuple):
    socket: str
    user: Optional[Account]
    wait: Callable[[Callable[[], Any]], None]


@contextlib.contextmanager
def running(job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Server]:
    """An empty server. Raises Unavailable where none is installed."""
    program = processes.find("mariadbd", "mysqld")
    installer = processes.find("mariadb-install-db", "mysql_install_db")
    if program is None:
        raise Unavailable("no MariaDB or MySQL server is installed here; install mariadb-server")
    user = processes.first_account("mysql")
    with bench(scratch, user, sum(item["bytes"] for item in items)) as folder:
        data, socket = os.path.join(folder, "data"), os.path.join(folder, "sock")
        if installer:
            make = [installer, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                    "--skip-test-db", "--skip-name-resolve"]  # fmt: skip
        else:
            make = [program, "--no-defaults", "--initialize-insecure", f"--datadir={data}"]
        processes.run(make, seconds=min(job.left(), _STARTS_WITHIN_S), user=user, cwd=folder)
        argv = [program, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", *_FAST,
                f"--pid-file={folder}/pid", f"--tmpdir={folder}", f"--log-error={folder}/server.log"]  # fmt: skip
        with processes.server(argv, lambda: os.path.exists(socket), folder, user, _STARTS_WITHIN_S):
            yield Server(socket, user, _patiently)


def _patiently(ask: Callable[[], Any]) -> None:
    """The socket is there a moment before the server answers."""
    end = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            ask()
            return
        except Failed:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
