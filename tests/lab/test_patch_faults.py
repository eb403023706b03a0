# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patch runs in which something goes wrong, several hosts a run: each ends in a state that is told truly, and with no
half-configured package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.conftest import INVENTORY
from tests.lab.test_faults import FULL_VAR
from tests.lab.test_patch import installed, patched
from tests.support import BIN

# A repository of the host's own with the package `tool` and its service.
REPOSITORY = r"""
mkdir -p /srv/repository /usr/local/sbin
cat >/usr/local/sbin/publish <<'SH'
#!/bin/sh
# publish VERSION [POSTINST [COMMAND]]: the only version of `tool` that the repository has from now on.
set -eu
build=$(mktemp -d)
mkdir -p "$build/DEBIAN" "$build/lib/systemd/system" "$build/etc"
chmod 755 "$build"
printf 'Package: tool\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: a tool\n' \
  "$1" >"$build/DEBIAN/control"
printf '[Service]\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "${3:-/bin/sleep infinity}" \
  >"$build/lib/systemd/system/tool.service"
echo "version $1" >"$build/etc/tool.conf"
echo /etc/tool.conf >"$build/DEBIAN/conffiles"
{ printf '#!/bin/sh\nset -e\nsystemctl daemon-reload\nsystemctl -q enable tool.service\n'
  printf '%s\nsystemctl restart tool.service\n' "${2:-:}"; } >"$build/DEBIAN/postinst"
chmod 755 "$build/DEBIAN/postinst"
cd /srv/repository
rm -f ./*.deb
dpkg-deb --root-owner-group -b "$build" "/srv/repository/tool_$1_all.deb" >/dev/null
rm -r "$build"
{ dpkg-deb -f "tool_$1_all.deb"
  echo "Filename: ./tool_$1_all.deb"
  echo "Size: $(stat -c %s "tool_$1_all.deb")"
  echo "SHA256: $(sha256sum "tool_$1_all.deb" | cut -d' ' -f1)"; } >Packages
apt-get -qq update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/own.list -o Dir::Etc::sourceparts=- \
  -o APT::Get::List-Cleanup=0
SH
chmod 755 /usr/local/sbin/publish
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list.d/own.list
publish 1.0
DEBIAN_FRONTEND=noninteractive apt-get -qq install tool >/dev/null
cp /srv/repository/tool_1.0_all.deb /var/cache/apt/archives/
"""
# What each of these runs is about; backups and drills have tests of their own.
POLICY = {
    "patch_mode": "list",
    "patch_list": ["tool"],
    "patch_rules": [],
    "patch_backup": "skip",
    "patch_soak": 0,
    "patch_refresh": "never",
    "patch_health": {"units": ["tool.service"]},
    "patch_health_patience": 5,
    "patch_reboot": "never",
    "patch_ring_failures": "100%",
    "patch_rings": ["ring_all"],
}
ALL = {"ring_all": {"hosts": {"web1": {}, "web2": {}, "db1": {}}}}
# The job's package manager is at its slow step.
AT_WORK = "grep -q '[s]low' /proc/[0-9]*/cmdline"
SLOW = "sh -c ': slow; sleep 25'"

HOLD_LOCK = """
python3 - <<'PY'
import fcntl, os, sys, time
handle = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(handle, fcntl.LOCK_EX)
if os.fork():
    sys.exit()
fcntl.lockf(handle, fcntl.LOCK_EX)
os.setsid()
os.close(0); os.close(1); os.close(2)
time.sleep(300)
PY
"""


def publish(lab, name: str, version: str = "2.0", postinst: str = ":", command: str = "/bin/sleep infinity") -> None:
    """A host that has `tool` 1.0 installed, and another version in its repository."""
    lab.break_(name, REPOSITORY)
    lab.shell(name, f"publish {version} {quoted(postinst)} {quoted(command)}")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def whole(lab, name: str) -> None:
    """No half-configured package, the service up, the host free for the next run."""
    assert lab.shell(name, "dpkg --audit") == ""
    assert lab.shell(name, "systemctl is-active tool.service").strip() == "active"
    assert lab.shell(name, "ls /var/lib/upkeep/patch/claim.json 2>/dev/null || true") == ""


def tool(lab, name: str) -> str:
    return installed(lab, name)["tool:all"]


@contextmanager
def meanwhile(lab, name: str, when: str, do: Callable[[], Any]) -> Iterator[None]:
    """Do something once a condition holds on a host."""
    done = threading.Event()

    def wait() -> None:
        while not done.is_set():
            try:
                lab.shell(name, when)
            except Exception:  # it does not hold yet
                time.sleep(0.2)
                continue
            do()
            return

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_postinst_that_fails_a_service_that_breaks_and_a_held_lock(lab, patch, clone):
    for name in ("web1", "web2", "db1"):
        before = "exit 3" if name == "web1" else ":"
        publish(lab, name, postinst=before, command="/bin/false" if name == "web2" else "/bin/sleep infinity")
    lab.shell("db1", HOLD_LOCK)
    was = {name: installed(lab, name) for name in ("web1", "web2", "db1")}
    ran = patch(children=ALL, **POLICY, patch_lock_patience=2)
    assert ran.rc != 0 and "Traceback" not in ran.stdout, ran.stdout
    told = patched(clone)
    assert {name: each["outcome"] for name, each in told.items()} == {
        "web1": "rolled_back",
        "web2": "rolled_back",
        "db1": "refused",
    }
    for name in was:
        assert installed(lab, name) == was[name]
        whole(lab, name)
    assert "python3" in told["db1"]["reason"] and "lock" in told["db1"]["reason"]
    assert "tool.service" in told["web2"]["reason"]
    assert {each["state"] for each in told["web1"]["states"]} >= {"preflight", "plan", "protect", "apply", "rollback"}
    assert all(name in ran.stdout for name in was)
    clone.validate_documents()


def test_a_connection_that_is_cut_a_full_disk_and_a_plan_that_the_archive_has_moved_past(lab, patch, clone, tmp_path):
    publish(lab, "web1", postinst=SLOW)
    publish(lab, "web2")
    lab.shell("web2", FULL_VAR)
    publish(lab, "db1")
    # Between the plan and its application the archive goes on.
    drain = tmp_path / "drain.yml"
    drain.write_text(json.dumps([{"name": "Move on", "ansible.builtin.command": "publish 3.0", "changed_when": True}]))
    undrain = tmp_path / "undrain.yml"
    undrain.write_text(
        json.dumps([{"name": "Say so", "ansible.builtin.command": "touch /undrained", "changed_when": True}])
    )
    hosts = {**ALL["ring_all"]["hosts"], "db1": {"patch_drain_tasks": str(drain), "patch_undrain_tasks": str(undrain)}}
    cut = lambda: lab.shell("web1", "pkill -KILL -u ops || true")  # noqa: E731
    with meanwhile(lab, "web1", AT_WORK, cut):
        ran = patch(children={"ring_all": {"hosts": hosts}}, **POLICY)
    assert ran.rc != 0 and "Traceback" not in ran.stdout, ran.stdout
    told = patched(clone)
    assert {name: each["outcome"] for name, each in told.items()} == {
        "web1": "patched",
        "web2": "refused",
        "db1": "refused",
    }
    assert (tool(lab, "web1"), tool(lab, "web2"), tool(lab, "db1")) == ("2.0", "1.0", "1.0")
    lab.shell("web2", "rm /var/filler")
    for name in told:
        whole(lab, name)
    assert "no_space" in told["web2"]["reason"] or "room" in told["web2"]["reason"]
    assert "plan_moved" in told["db1"]["reason"] or "moved" in told["db1"]["reason"]
    lab.shell("db1", "test -e /undrained")


def test_a_controller_that_is_killed_and_the_run_after_it(lab, patch, clone, tmp_path):
    publish(lab, "web1", postinst=SLOW)
    more = tmp_path / "killed.json"
    more.write_text(json.dumps({"all": {"children": ALL}}))
    command = [
        str(BIN / "ansible-playbook"), "playbooks/patch.yml", "-i", INVENTORY, "-i", str(more),
        "-e", json.dumps({**POLICY, "target": "web1"}),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=clone.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "ANSIBLE_CONFIG": str(clone.path / "ansible.cfg")},
    )  # fmt: skip
    with meanwhile(lab, "web1", AT_WORK, lambda: os.killpg(process.pid, signal.SIGKILL)):
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert patched(clone) == {}

    ran = patch(children=ALL, **POLICY, target="web1")
    assert ran.rc == 0, ran.stdout
    told = patched(clone)["web1"]
    assert told["outcome"] == "patched" and told["continued_from"]
    assert [(each["name"], each["from"], each["to"]) for each in told["changed"]] == [("tool", "1.0", "2.0")]
    assert tool(lab, "web1") == "2.0"
    whole(lab, "web1")


def test_a_canary_that_fails_and_an_exception_that_has_ended(lab, patch, clone):
    publish(lab, "web1", command="/bin/false")
    publish(lab, "web2")
    lab.broken.add("db1")
    ended = {
        "package": ["tool"], "reason": "the vendor is not ready", "approver": "Ann", "expires": "2026-10-31",
    }  # fmt: skip
    policy = {
        **POLICY,
        "patch_exceptions": [ended],
        "patch_ring_failures": 0,
        "patch_rings": ["ring_canary", "ring_early"],
    }
    ran = patch(**policy)
    assert ran.rc != 0 and "Traceback" not in ran.stdout, ran.stdout
    told = patched(clone)
    assert told["web1"]["outcome"] == "rolled_back"
    for name in ("web2", "db1"):
        assert told[name]["outcome"] == "refused" and "web1" in told[name]["reason"]
    assert (tool(lab, "web1"), tool(lab, "web2")) == ("1.0", "1.0")
    whole(lab, "web1")
    assert "Ann" in ran.stdout and "2026-10-31" in ran.stdout
    assert "web2" in ran.stdout and "db1" in ran.stdout


def test_a_host_that_dies_in_its_reboot_and_the_run_after_it(lab, patch, clone, tmp_path):
    publish(lab, "web1")
    root = Path(__file__).resolve().parents[2]
    # Containers do not reboot: the lab stops and starts them; first, it forgets to start.
    words = {"stop": [["stop", "web1"]], "both": [["stop", "web1"], ["start", "web1"]]}
    files = {}
    for name, commands in words.items():
        tasks = [
            {
                "name": f"The lab's {argv[0]}",
                "ansible.builtin.command": {"argv": [sys.executable, "-m", "lab", *argv], "chdir": str(root)},
                "delegate_to": "localhost",
                "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
                "become": False,
                "changed_when": True,
            }
            for argv in commands
        ]
        files[name] = tmp_path / f"{name}.yml"
        files[name].write_text(json.dumps(tasks))
    policy = {**POLICY, "patch_reboot": "always", "target": "web1"}
    ran = patch(children=ALL, **policy, patch_reboot_tasks=str(files["stop"]), patch_reboot_timeout=15)
    assert ran.rc != 0 and "Traceback" not in ran.stdout, ran.stdout
    told = patched(clone)["web1"]
    assert told["outcome"] == "needs_attention" and "reboot" in told["reason"]

    lab.start("web1")
    ran = patch(children=ALL, **policy, patch_reboot_tasks=str(files["both"]), patch_reboot_timeout=60)
    assert ran.rc == 0, ran.stdout
    told = patched(clone)["web1"]
    assert told["outcome"] == "patched" and told["rebooted"] and told["continued_from"]
    assert tool(lab, "web1") == "2.0"
    whole(lab, "web1")

    # A whole one: stopped and started by the tasks, and confirmed.
    lab.shell("web1", "publish 3.0")
    ran = patch(children=ALL, **policy, patch_reboot_tasks=str(files["both"]), patch_reboot_timeout=60)
    assert ran.rc == 0, ran.stdout
    assert patched(clone)["web1"]["rebooted"] and tool(lab, "web1") == "3.0"
