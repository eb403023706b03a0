# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real sshd of the test's own: on a loopback port, with its own host key, users' keys and configuration."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path


@dataclass
class Sshd:
    """`alias` is its name in `config`, which knows port, key and known_hosts; nothing of the user's own counts."""

    folder: Path
    alias: str = "there"
    more: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.host_key = make_key(self.folder / "key"), make_key(self.folder / "host_key")
        self.config, self.known_hosts = self.folder / "ssh_config", self.folder / "known_hosts"
        self.process: subprocess.Popen | None = None
        self.trust()
        self.configure()

    def trust(self, key: Path | None = None) -> None:
        public = (key or self.host_key).with_suffix(".pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {' '.join(public)}\n")

    def configure(self, *more: str) -> None:
        """The client's configuration; `more` are lines for this host."""
        lines = ["HostName 127.0.0.1", f"Port {self.port}", f"UserKnownHostsFile {self.known_hosts}",
                 "GlobalKnownHostsFile /dev/null", f"IdentityFile {self.key}", "IdentitiesOnly yes", *more]  # fmt: skip
        self.config.write_text(f"Host {self.alias} {self.alias}-*\n" + "".join(f"  {line}\n" for line in lines))
        self.config.chmod(0o600)

    def start(self) -> Sshd:
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.host_key}", "UsePAM no",
                 f"AuthorizedKeysFile {self.key}.pub", "StrictModes no", "PasswordAuthentication no",
                 "PermitRootLogin prohibit-password", "PidFile none", "Subsystem sftp internal-sftp",
                 "MaxStartups 100", "MaxSessions 100", "UseDNS no", *self.more]  # fmt: skip
        settings = self.folder / "sshd_config"
        settings.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start without
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", settings], stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.02)
        raise AssertionError("sshd does not answer")

    def sessions(self) -> list[int]:
        """The processes that serve somebody now."""
        assert self.process
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listed.stdout.split()]

    def cut(self) -> int:
        """Kill who serves somebody now; how many."""
        there = self.sessions()
        for pid in there:
            os.kill(pid, signal.SIGKILL)
        return len(there)

    def stop(self) -> None:
        if self.process:
            self.cut()
            self.process.terminate()
            self.process.wait()
            self.process = None

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")
