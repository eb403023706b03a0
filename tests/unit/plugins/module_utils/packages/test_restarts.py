# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that run code which is no longer there: real ones, and the texts of /proc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import restarts
from hypothesis import given, settings
from hypothesis import strategies as st

NOTHING = restarts.re.compile(rb"^/(dev|memfd:)")


def until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def sleeper(tmp_path):
    """A running process whose program is a copy that the test may delete or replace."""
    program = tmp_path / "sleeper"
    shutil.copy(shutil.which("sleep"), str(program))
    process = subprocess.Popen([str(program), "600"])
    try:
        # The program is mapped a moment after the call that starts it returns.
        until(lambda: str(program) in Path(f"/proc/{process.pid}/maps").read_text())
        yield program, process
    finally:
        process.kill()
        process.wait()


def found(scan, pid):
    return [entry for entry in scan.services + scan.sessions if pid in entry.pids]


def test_an_untouched_program_is_not_stale(sleeper):
    _program, process = sleeper
    assert found(restarts.scan(ignored=NOTHING), process.pid) == []


@pytest.mark.parametrize("replace", [False, True])
def test_a_deleted_or_replaced_program_is_stale(sleeper, replace):
    program, process = sleeper
    if replace:
        new = program.with_name("new")
        shutil.copy(str(program), str(new))
        new.rename(program)
    else:
        program.unlink()
    scan = restarts.scan(ignored=NOTHING)
    (entry,) = found(scan, process.pid)
    assert entry.files == [str(program)]
    assert entry.commands == ["sleeper"]
    assert scan.seen > 1


def test_a_deleted_library_is_stale(tmp_path):
    maps = Path("/proc/self/maps").read_text().splitlines()
    libraries = [line.split()[-1] for line in maps if line.endswith(".so")]
    if not libraries:
        pytest.skip("this Python maps no shared library")
    library = tmp_path / "libcopy.so"
    shutil.copy(libraries[0], str(library))
    code = "import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code, str(library)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        library.unlink()
        (entry,) = found(restarts.scan(ignored=NOTHING), process.pid)
        assert str(library) in entry.files
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_temporary_files_are_ignored_by_default(sleeper):
    program, process = sleeper
    if not str(program).startswith(("/tmp/", "/var/tmp/")):
        pytest.skip("the temporary folder is elsewhere")
    program.unlink()
    assert found(restarts.scan(), process.pid) == []


@pytest.mark.parametrize(
    "line, stale",
    [
        ("7f00-7f01 r-xp 00001000 fe:01 131103 /usr/lib/libz.so.1.2.13 (deleted)", ["/usr/lib/libz.so.1.2.13"]),
        ("7f00-7f01 r-xp 00001000 fe:01 131103 /opt/a b/lib c.so (deleted)", ["/opt/a b/lib c.so"]),
        ("7f00-7f01 r--p 00001000 fe:01 131103 /usr/lib/libz.so.1.2.13 (deleted)", []),
        ("7f00-7f01 rw-s 00000000 00:05 4711 /SYSV00000000 (deleted)", []),
        ("7f00-7f01 rwxs 00000000 00:05 4711 /SYSV00000000 (deleted)", []),
        ("7f00-7f01 rwxs 00000000 00:05 4711 /memfd:jit (deleted)", []),
        ("7f00-7f01 r-xp 00000000 00:05 4711 /dev/shm/x (deleted)", []),
        ("7f00-7f01 r-xp 00000000 00:05 4711 /run/user/1000/orcexec.Ab1 (deleted)", []),
        ("7f00-7f01 r-xp 00000000 00:05 4711 /home/me/orcexec.Ab1 (deleted)", []),
        ("7f00-7f01 r-xp 00000000 00:05 4711 /home/me/#12345 (deleted)", []),
        ("7f00-7f01 r-xp 00000000 00:05 4711 /[aio] (deleted)", []),
        ("7ffc-7ffd r-xp 00000000 00:00 0                          [vdso]", []),
        ("7f00-7f01 r-xp 00000000 00:00 0 ", []),
        ("7f00-7f01 r-xp 00000000 ff:ff 1 /usr/lib/not/there.so", []),
        ("garbage", []),
    ],
)
def test_mappings(line, stale):
    assert restarts.stale_files(line.encode() + b"\n") == stale


def test_another_file_of_that_name_counts_only_on_the_same_device(tmp_path):
    path = tmp_path / "lib.so"
    path.write_bytes(b"")
    status = path.stat()
    major, minor = os.major(status.st_dev), os.minor(status.st_dev)
    none = restarts.re.compile(rb"^$")

    def stale(major, minor, inode):
        return restarts.stale_files(f"7f00-7f01 r-xp 0 {major:x}:{minor:x} {inode} {path}\n".encode(), none)

    assert stale(major, minor, status.st_ino) == []
    assert stale(major, minor, status.st_ino + 1) == [str(path)]
    assert stale(major + 1, minor, status.st_ino + 1) == []


@pytest.mark.parametrize(
    "cgroup, unit",
    [
        ("0::/system.slice/ssh.service\n", ("ssh.service", False)),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", ("getty@tty1.service", False)),
        ("0::/init.scope\n", ("init.scope", False)),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", ("session-3.scope", True)),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", ("user@1000.service", True)),
        ("9:name=systemd:/system.slice/cron.service\n4:memory:/x.service\n0::/\n", ("cron.service", False)),
        ("4:memory:/process_api/abc\n0::/\n", (None, False)),
        ("0::/system.slice/containerd.service/kubepods/pod1\n", ("containerd.service", False)),
        ("", (None, False)),
        ("nonsense", (None, False)),
    ],
)
def test_units(cgroup, unit):
    assert restarts.unit_of(cgroup) == unit


@settings(max_examples=100)
@given(st.text(alphabet="0:/ax-\n .service(deleted)"))
def test_any_text_has_an_answer(text):
    restarts.unit_of(text)
    restarts.stale_files(text.encode())
