# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The results of a patch run's steps, as they are registered, and documents made of them."""

from __future__ import annotations

from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import document, steps

UNREACHABLE = {"unreachable": True, "msg": "Failed to connect to the host via ssh: Connection timed out"}
DIED = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Killed", "rc": 137}
ACTIONS = [
    {
        "action": "upgrade", "name": "openssl", "arch": "amd64", "from": "1.0-1", "to": "1.0-2",
        "why": "security update", "reversible": True,
    },
    {
        "action": "install", "name": "libnew1", "arch": "amd64", "from": None, "to": "2.0-1",
        "why": "needed by openssl", "reversible": True,
    },
]  # fmt: skip
CHANGED = [{key: each[key] for key in ("name", "arch", "from", "to")} for each in ACTIONS]
UNDONE = [{**each, "from": each["to"], "to": each["from"]} for each in CHANGED]


def error(code, message="it went wrong"):
    return {"failed": True, "error_code": code, "msg": message}


def problem(code, message="it is so", status="failed"):
    return {"data": {"status": status, "problems": [{"code": code, "message": message}]}}


def at(second, took=1000, **data):
    began, ended = f"2026-11-23T22:00:{second:02d}Z", f"2026-11-23T22:00:{second + max(1, took // 1000):02d}Z"
    return {"data": {"started": began, "finished": ended, "duration_ms": took, **data}}


def level(pending=2, security=1, **more):
    packages = [{"name": "openssl", "arch": "amd64", "security": True}, {"name": "vim", "arch": "amd64"}][:pending]
    counts = {"installed": 742, "pending": pending, "security": security, "blocked": 0}
    return {"manager": "apt", "counts": counts, "pending": packages, "kernel": {"running": "6.1"}, **more}


def plan(**more):
    return {
        "schema": "upkeep.plan/1", "host": "web1", "policy_sha256": "b" * 64, "made": "2026-11-23T22:00:03Z",
        "actions": ACTIONS, "left_out": [{"name": "vim", "to": "9.1", "why": "no security update"}],
        "plan_sha256": "a" * 64, "manager": "apt", "download_bytes": 4_100_000, "disk_bytes": 12_000, "refused": None,
        **more,
    }  # fmt: skip


def applied(**more):
    return {
        "job": "ok", "direction": "apply", "steps": [{"name": "upgrade", "rc": 0}], "progress": "Setting up openssl",
        "log": "Setting up openssl (1.0-2) ...\n", "changed": CHANGED, "config_leftovers": [], "unfinished": [],
        "reattached": False, "repaired": False, **more,
    }  # fmt: skip


def results(**more):
    """Those of a run in which all goes well; `more` replaces a step's, None takes it away."""
    kept = [{"name": "openssl", "arch": "amd64", "version": "1.0-1", "file": "kept/openssl.deb", "bytes": 3}]
    good = {
        "admit": at(0, admitted=True, ring="canary"),
        "begin": at(1, continues=None, before={}, problems=[]),
        "level": at(2, **level()),
        "preflight": at(3, status="ok", problems=[]),
        "select": at(
            3, wanted=[{"name": "openssl"}], left_out=[], policy_sha256="b" * 64, notes=["an exception ended"]
        ),
        "plan": at(4, **plan()),
        "protected": at(5, protected=True, sets=[{"backup": "etc", "proven_at": None, "age_s": 60, "ok": True}]),
        "protect": at(6, 2000, fetched=2, fetched_bytes=4_100_000, kept=kept, irreversible=[]),
        "apply": at(8, 41_000, **applied()),
        "restart": at(50, restarted=[{"unit": "ssh.service", "duration_ms": 4}], failed=[], excluded=[], deferred=[]),
        "reboot": None,
        "level_after": at(52, **level(1, 0)),
        "health": at(53, 500, checks=[{"kind": "unit", "name": "ssh", "ok": True}], problems=[]),
        "verify": at(54, status="ok", problems=[]),
        "end": {"data": {}},
    }
    return {**good, **more}


def until(last, **more):
    """The results up to a step and no further."""
    order = list(steps.STATE_OF)
    return {key: each for key, each in results(**more).items() if order.index(key) <= order.index(last)}


def compose(given, host="web1", run_id="r1", **facts):
    """The document of these results."""
    defaults = {
        "project": "shop", "run_id": run_id, "host": host, "mode": "patch", "now": "2026-11-23T22:01:00Z",
        "ran_by": {"user": "ann", "controller": "ctl", "playbook": "patch.yml"},
        "tool": {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"},
    }  # fmt: skip
    return document.made({**defaults, **facts}, steps.read(given))
