# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choosing a manager, running tools, locks, and the whole document."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _locks, _run, collect, registry
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options


@pytest.mark.parametrize(
    "wanted, release, present, expected",
    [
        ("auto", {"ID": "debian"}, {"apt-get", "dnf", "zypper", "pacman"}, "apt"),
        ("auto", {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, {"apt-get"}, "apt"),
        ("auto", {"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, {"apt-get", "dnf"}, "dnf"),
        ("auto", {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, {"zypper"}, "zypper"),
        ("auto", {"ID": "alpine"}, {"apk"}, "apk"),
        ("auto", {"ID": "arch"}, {"pacman"}, "pacman"),
        ("auto", {}, {"pacman"}, "pacman"),
        ("apt", {"ID": "rocky"}, {"apt-get"}, "apt"),
        ("dnf", {"ID": "debian"}, {"dnf5"}, "dnf"),
    ],
)
def test_choose(wanted, release, present, expected):
    assert registry.choose(wanted, release, present.__contains__) == expected


@pytest.mark.parametrize("wanted, code", [("auto", "manager_unknown"), ("apt", "manager_missing")])
def test_no_manager(wanted, code):
    with pytest.raises(UpkeepError) as caught:
        registry.choose(wanted, {"ID": "debian"}, lambda command: False)
    assert caught.value.code == code


def test_run():
    script = "import os, sys; print(os.environ['LC_ALL']); print('é', file=sys.stderr); sys.exit(3)"
    result = _run.run([sys.executable, "-c", script], allow=(3,))
    assert (result.rc, result.stdout, result.stderr) == (3, "C.UTF-8\n", "é\n")


@pytest.mark.parametrize(
    "argv, part",
    [
        (["/nonexistent/tool"], "/nonexistent/tool could not be started: No such file"),
        (["sh", "-c", "echo; echo broken >&2; exit 4"], "failed with exit code 4: broken"),
    ],
)
def test_a_failing_command_is_named(argv, part):
    with pytest.raises(UpkeepError) as caught:
        _run.run(argv)
    assert caught.value.code == "command_failed"
    assert part in caught.value.message


def test_a_hanging_command_is_stopped_with_its_children(tmp_path):
    note = tmp_path / "pid"
    with pytest.raises(UpkeepError) as caught:
        _run.run(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"], timeout=1)
    assert "did not end within 1 seconds" in caught.value.message
    for _attempt in range(50):
        if not _runs(int(note.read_text())):
            break
        time.sleep(0.1)
    assert not _runs(int(note.read_text()))


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_flock(tmp_path):
    path = tmp_path / "lock"
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert _locks.locked_by([str(path)]) == (None, [])
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert _locks.holder(str(path)) == os.getpid()
    assert _locks.holder(str(path)) is None


def test_locks(tmp_path):
    path = tmp_path / "lock"
    path.write_text("")
    missing = str(tmp_path / "none")
    assert _locks.locked_by([missing, str(path)]) == (None, [])
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        found, _unseen = _locks.locked_by([missing, str(path)])
        assert found.startswith(f"{process.pid} py")
    finally:
        process.communicate(b"\n")
    assert _locks.locked_by([str(path)]) == (None, [])
    with path.open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert _locks.holder(str(path)) is None  # one's own lock is no obstacle


def test_what_cannot_be_asked_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    assert _locks.locked_by([str(tmp_path / "file" / "below")]) == (None, [str(tmp_path / "file" / "below")])
    assert _locks.command_name(2**22 + 1) == "?"


def test_the_document_fits_its_schema(apt_root, schema, monkeypatch):
    jsonschema = pytest.importorskip("jsonschema")
    apt_root.install("tool", "1.0")
    apt_root.install("held", "1.0", status="hold ok installed")
    apt_root.repository("stable", [("tool", "2.0", {"Depends": "extra"}), ("extra", "1"), ("held", "2.0")])
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, value in apt_root.env.items():
        monkeypatch.setenv(name, value)
    document = collect.collect(Options(manager="apt", bindings="never")).document
    validator.validate(document)
    assert isinstance(document["services_stale"], list)
    assert (document["collector"], document["manager"]) == ("commands", "apt")
    without = collect.collect(Options(manager="apt", bindings="never", scan_services=False)).document
    validator.validate(without)
    assert without["services_stale"] is None and without["sessions_stale"] is None
    assert "Services that need a restart: scan_services is off." in without["not_seen"]
    for broken in ({"stale": None}, {"refreshed_at": "yesterday"}):
        assert not validator.is_valid(dict(document, metadata=dict(document["metadata"], **broken)))
    assert not validator.is_valid({name: value for name, value in document.items() if name != "counts"})
    blocked = [dict(entry, blocked_detail=None) for entry in document["pending"]]
    assert not validator.is_valid(dict(document, pending=blocked))


def test_unseen_processes_are_counted(monkeypatch):
    scan = collect.restarts.Scan(seen=0, unseen=4)
    monkeypatch.setattr(collect.restarts, "scan", lambda: scan)
    assert collect._services(True)[0] is None
    scan.seen = 6
    services, sessions, notes = collect._services(True)
    assert (services, sessions) == ([], [])
    assert "4 of 10 processes" in notes[0]
