# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the archive tests share: a private state folder, a tree with one of everything, and a process without root."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup, restore

SCHEMAS = Path(__file__).parents[5] / "docs" / "schemas"


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch):
    """Nothing of these tests lands in the machine's own state folder."""
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def back_up(tmp_path):
    """back_up(path, dest="a.tar.gz", **parameters) -> the run's result."""

    def run(path, dest="a.tar.gz", check=False, diff=False, **parameters):
        folder = tmp_path / "out"
        parameters.setdefault("root", str(path))
        parameters.setdefault("paths", ["."])
        request = backup.Request(name="set", dest=str(folder / dest), **parameters)
        return backup.run(request, check=check, diff=diff)

    return run


@pytest.fixture
def restore_test():
    """restore_test(archive, **parameters) -> restore.Result"""

    def run(archive, check=False, **parameters):
        return restore.run(restore.Request(str(archive), **parameters), check=check)

    return run


@pytest.fixture
def valid():
    """valid("backup", document): fails unless the document fits docs/schemas/backup.json."""
    jsonschema = pytest.importorskip("jsonschema")

    def check(name, document):
        schema = json.loads((SCHEMAS / (name + ".json")).read_text())
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))

    return check


def put(path, content=b"x", mode=0o644):
    path = Path(os.fsdecode(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def tree(tmp_path):
    """One of everything that this user can make."""
    top = tmp_path / "tree"
    top.mkdir()
    put(top / "empty", b"")
    put(top / "small", b"hello\n", 0o640)
    put(top / "big", bytes(range(256)) * 10000)
    put(top / "sub" / "deep" / "file.txt", b"deep")
    put(top / "sub.txt", b"sorts between sub and sub/")
    (top / "nothing").mkdir()
    os.chmod(top / "nothing", 0o1777)
    os.symlink("small", top / "link")
    os.symlink("/etc/passwd", top / "absolute")
    os.symlink("nowhere/" + "x" * 150, top / "dangling")
    os.link(top / "small", top / "zz-hard")
    os.link(top / "small", top / "sub" / "hard")
    os.mkfifo(top / "fifo", 0o600)
    put(bytes(top) + b"/not-utf8-\xff\xfe", b"bytes")
    put(str(top) + "/umlaut-\u00e4\u00f6", "\u00fc".encode())
    put(top / ("long-" + "n" * 200), b"a name longer than ustar's")
    put(top / "/".join(["d" * 90] * 4) / "leaf", b"a path longer than ustar's")
    with (top / "sparse").open("wb") as stream:
        stream.seek(300000)
        stream.write(b"middle")
        stream.truncate(3000000)
    put(top / "setuid", b"#!", 0o755)
    os.chmod(top / "setuid", 0o6755)
    os.utime(top / "small", ns=(0, -1500000000))
    os.utime(top / "big", ns=(0, 1234567890123456789))
    try:
        os.setxattr(top / "small", "user.note", b"bin\x00ary=\n\xff")
        os.setxattr(top / "sub", "user.a=b", b"")
    except OSError:
        pass  # a file system without attributes: the rest of the tree still serves
    return top


@pytest.fixture
def as_nobody():
    """as_nobody(function) -> what it returned (or the exception it raised), run in a child without root's powers."""
    if os.geteuid() != 0:
        return lambda function: function()

    def run(function):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                try:
                    answer = (True, function())
                except BaseException as error:
                    answer = (False, error)
                with os.fdopen(write, "wb") as stream:
                    pickle.dump(answer, stream)
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            good, value = pickle.load(stream)
        os.waitpid(child, 0)
        if not good:
            raise value
        return value

    return run


@pytest.fixture
def open_dir():
    """A folder that an ordinary user can reach and write, unlike tmp_path when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="upkeep-test-"))
    os.chmod(folder, 0o777)
    yield folder
    shutil.rmtree(str(folder), ignore_errors=True)


@pytest.fixture
def a_socket(tmp_path):
    """make(path): a socket there for as long as the test runs."""
    held = []

    def make(path):
        server = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(os.path.dirname(str(path)))  # socket paths are short
        try:
            server.bind(os.path.basename(str(path)))
        finally:
            os.chdir(here)
        held.append(server)

    yield make
    for server in held:
        server.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("only root can mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)
