# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A restic that is new enough, and a repository of each kind for it: a folder, SFTP, REST and S3."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.sshd import SSHD, Sshd, free_port

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/restic"
SUITE = "trixie"  # the first Debian whose restic tells by its exit code what went wrong
# An S3 server from PyPI; in an environment of its own, as it brings sixty packages that nothing else here needs.
MOTO, MOTO_WANTED = ROOT / ".cache/moto", "moto[server]>=5,<6"
SECRETS = {
    "repo": "r3po-Pass'\"word",
    "rest_user": "rest-us3r-name",
    "rest_login": "rest-l0gin-pass",
    "s3_key": "AKIAS3CR3TKEYNAME",
    "s3_secret": "s3cr3t/Access+Key/0123456789",
    "wrong": "not-the-passw0rd",
}


def program() -> str:
    """The path of a restic 0.17 or newer: this machine's own, else Debian's, unpacked once into the cache."""
    own = shutil.which("restic")
    if own and _version(own) >= (0, 17):
        return own
    kept = CACHE / f"{SUITE}-restic"
    if not kept.is_file():
        _download(kept)
    return str(kept)


def old_program() -> str:
    own = shutil.which("restic")
    if not own or _version(own) >= (0, 17):
        pytest.skip("this machine has no restic older than 0.17")
    return own


def _version(path: str) -> tuple[int, ...]:
    said = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def _download(kept: Path) -> None:
    from lab.fleet import LabError
    from lab.images import mirrors

    try:
        main = os.environ.get("UPKEEP_LAB_MIRROR") or mirrors()[0]
    except LabError as error:
        pytest.skip(f"no mirror to get Debian's restic from: {error}")
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    with tempfile.TemporaryDirectory(prefix="upkeep-test-", dir="/var/tmp") as name:
        folder = Path(name)
        for each in ("lists/partial", "cache/archives/partial"):
            (folder / each).mkdir(parents=True)
        (folder / "sources").write_text(f"deb [signed-by={keys}] {main} {SUITE} main\n")
        places = {"Dir::Etc::SourceList": folder / "sources", "Dir::Etc::SourceParts": "/dev/null",
                  "Dir::State::Lists": folder / "lists", "Dir::Cache": folder / "cache",
                  "APT::Sandbox::User": "root", "Acquire::Languages": "none"}  # fmt: skip
        apt = ["apt-get", "-q", *(word for key, value in places.items() for word in ("-o", f"{key}={value}"))]
        for argv in ([*apt, "update"], [*apt, "download", "restic"], ["sh", "-c", "dpkg-deb -x restic_*.deb x"]):
            done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"Debian {SUITE}'s restic cannot be had: {done.stderr.strip()[-200:]}")
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "x/usr/bin/restic", kept.with_suffix(".unfinished"))
        kept.with_suffix(".unfinished").rename(kept)


@dataclass
class Place:
    """A server for repositories. `address(name)` is one in it, `environment` and `options` are what reaches it."""

    kind: str
    address: Callable[[str], str]
    environment: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)

    def at(self, name: str) -> dict:
        return {"repository": self.address(name), "password": "repo", "environment": self.environment,
                "options": self.options, "secrets": SECRETS}  # fmt: skip


@contextlib.contextmanager
def place(kind: str) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="upkeep-test-", dir="/var/tmp"))
    try:
        with PLACES[kind](folder) as found:
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _folder(folder: Path) -> Iterator[Place]:
    yield Place("folder", lambda name: str(folder / name))


@contextlib.contextmanager
def _sftp(folder: Path) -> Iterator[Place]:
    if not SSHD or os.geteuid() != 0:
        pytest.skip("sshd is missing, or this is not root")
    server = Sshd(folder / "sshd").start()
    try:
        options = ["-o", f"sftp.command=ssh -F {server.config} {server.alias} -s sftp"]
        yield Place("sftp", lambda name: f"sftp:{server.alias}:{folder / name}", options=options)
    finally:
        server.stop()


@contextlib.contextmanager
def _rest(folder: Path) -> Iterator[Place]:
    if not shutil.which("rclone"):
        pytest.skip("rclone, which serves restic's REST protocol, is missing")
    port = free_port()
    env = {**os.environ, "RCLONE_USER": SECRETS["rest_user"], "RCLONE_PASS": SECRETS["rest_login"],
           "RCLONE_CONFIG": "/dev/null"}  # fmt: skip
    argv = ["rclone", "serve", "restic", "--addr", f"127.0.0.1:{port}", str(folder / "rest")]
    (folder / "rest").mkdir()
    with _serving(argv, env, port, folder):
        login = {"RESTIC_REST_USERNAME": "rest_user", "RESTIC_REST_PASSWORD": "rest_login"}
        yield Place("rest", lambda name: f"rest:http://127.0.0.1:{port}/{name}", login)


@contextlib.contextmanager
def _s3(folder: Path) -> Iterator[Place]:
    python = MOTO / "bin/python"
    if not (MOTO / "ready").exists():
        for argv in ([sys.executable, "-m", "venv", MOTO], [python, "-m", "pip", "install", "-q", MOTO_WANTED]):
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{MOTO_WANTED} cannot be had: {done.stderr.strip()[-200:]}")
        (MOTO / "ready").touch()
    port = free_port()
    with _serving([python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], {**os.environ}, port, folder):
        bucket = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        urllib.request.urlopen(bucket, timeout=60).close()
        keys = {"AWS_ACCESS_KEY_ID": "s3_key", "AWS_SECRET_ACCESS_KEY": "s3_secret"}
        yield Place("s3", lambda name: f"s3:http://127.0.0.1:{port}/bucket/{name}", keys)


PLACES = {"folder": _folder, "sftp": _sftp, "rest": _rest, "s3": _s3}


@contextlib.contextmanager
def _serving(argv: list, env: dict, port: int, folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(list(map(str, argv)), env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        for _attempt in range(600):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                pytest.fail(f"{argv[0]} did not start: {(folder / 'log').read_text()[-1000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


class Watch:
    """Looks at the arguments of every process of this machine, as long as it runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())
