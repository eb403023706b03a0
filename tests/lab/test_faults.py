# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real hosts with something wrong: the report names it, the other hosts are complete, the exit code says so.

Two faults a run, on web1 and db1; web2 stays well, and is what "the others" are.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

FULL_VAR = """
mkdir /new-var
mount -t tmpfs -o size=$(( $(du -sk /var | cut -f1) + 2048 ))k tmpfs /new-var
cp -a /var/. /new-var
mount --move /new-var /var
dd if=/dev/zero of=/var/filler bs=64k 2>/dev/null || true
"""
NO_PYTHON = "mkdir /hidden && mv /usr/bin/python3* /hidden"
# An open connection knows the old key: it is closed, too.
OTHER_HOST_KEY = (
    "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh; "
    "pkill -u ops || true"
)
NO_SUDO = "rm /etc/sudoers.d/ops"
# What a host that is too old is told.
TOO_OLD = "managed hosts need Python 3.8 or newer"
# The clock is the kernel's, which is the controller's too: what the interpreter believes is what can be moved.
AHEAD = """
DEBIAN_FRONTEND=noninteractive apt-get -qq install faketime >/dev/null
printf '#!/bin/sh\\nexec faketime -f +2h /usr/bin/python3 "$@"\\n' >/usr/local/bin/python-ahead
chmod +x /usr/local/bin/python-ahead
"""
DEAD_REPOSITORY = "sed -i 's|^URIs: .*|URIs: http://127.0.0.1:9/debian|' /etc/apt/sources.list.d/debian.sources"


def check(ran, clone, **reasons: str) -> None:
    """The run failed, each named host is not ok for the reason that is part of its text, and web2 is complete."""
    assert ran.rc != 0, ran.stdout
    assert "Traceback" not in ran.stdout
    security = (clone.path / "audits/security.md").read_text()
    for name, reason in reasons.items():
        host = clone.host(name)
        assert host["status"] in ("failed", "unknown", "incomplete"), name
        assert reason in host["reason"], host["reason"]
        assert name in security and reason in security
        assert reason in " ".join(ran.stdout.split())
    well = clone.host("web2")
    assert well["status"] == "ok" and well["observed"]
    assert {phase["status"] for phase in well["phases"].values()} == {"ok"}
    assert all(each["proven"] for each in clone.report()["backups"] if each["host"] == "web2")
    clone.validate_documents()


def test_stopped_before_the_run_and_sshd_refusing(lab, maintain, clone):
    lab.stop("web1")
    lab.break_("db1", "systemctl stop ssh.socket ssh.service 2>/dev/null || systemctl stop ssh.service")
    ran = maintain()
    check(ran, clone, web1="unreachable: ", db1="Connection refused")
    fleet = clone.report()["fleet"]
    assert (fleet["observed"], fleet["unreachable"]) == (1, 2)
    assert clone.host("web1")["unreachable"]


def test_stopped_in_the_middle_and_a_full_var(lab, maintain, clone):
    lab.break_("db1", FULL_VAR)
    done = threading.Event()

    def pull_the_plug() -> None:
        while not done.is_set() and not list(Path(clone.path).glob("runs/*/hosts/web1/backup.json")):
            time.sleep(0.05)
        lab.kill("web1")

    plug = threading.Thread(target=pull_the_plug)
    plug.start()
    try:
        ran = maintain()
    finally:
        done.set()
        plug.join()
    check(ran, clone, web1="unreachable: ", db1="no_space")
    assert clone.host("web1")["phases"]["backup"]["status"] == "ok"
    assert clone.host("db1")["phases"]["patch_level"]["status"] == "ok"


def test_no_python_and_another_host_key(lab, maintain, clone):
    lab.break_("web1", NO_PYTHON)
    lab.break_("db1", OTHER_HOST_KEY)
    check(maintain(), clone, web1="no_python: there is no /usr/bin/python3", db1="Host key verification failed")


def test_a_python_too_old_and_become_refused(lab, maintain, clone):
    lab.break_("db1", NO_SUDO)
    check(maintain({"web1": lab.old_python("web1")}), clone, web1=TOO_OLD, db1="become_refused: ")


def test_a_clock_that_is_ahead_and_a_dead_repository(lab, maintain, clone):
    lab.break_("web1", AHEAD)
    lab.break_("db1", DEAD_REPOSITORY)
    ran = maintain({"web1": {"ansible_python_interpreter": "/usr/local/bin/python-ahead"}}, patch_refresh="always")
    report = clone.report()
    assert 7100 < clone.host("web1")["clock_skew_s"] <= 7200
    assert clone.host("web2")["clock_skew_s"] == clone.host("db1")["clock_skew_s"] == 0
    assert clone.host("db1")["patch"]["metadata_stale"] is True
    found = {(finding["host"], finding["check_id"]) for finding in report["findings"]}
    assert found >= {("web1", "clock_skew"), ("db1", "stale_metadata")}
    security = (clone.path / "audits/security.md").read_text()
    for text in (ran.stdout, security):
        assert "ahead of the controller's" in text and "stale on 1 host" in text
    assert clone.host("web2")["status"] == "ok" and report["fleet"]["observed"] == 3
    clone.validate_documents()
