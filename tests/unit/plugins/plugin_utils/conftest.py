# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A home with runs in it, sample results as the modules give them, and the schemas."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    evidence,
    home,
    observations,
    outcome,
    processes,
    runs,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation

SCHEMAS = Path(__file__).resolve().parents[4] / "docs" / "schemas"


@pytest.fixture(name="home")
def home_fixture(tmp_path):
    place = tmp_path / "home"
    home.ensure_home(place)
    return place


@pytest.fixture
def validate():
    """validate(document, "run") checks a document against docs/schemas/run.json."""

    def check(document, name):
        schema = json.loads((SCHEMAS / f"{name}.json").read_text())
        # That the schemas themselves are valid, test_project.py sees once.
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(document)))

    return check


@pytest.fixture
def samples():
    """What the modules return as `data`."""

    class Samples:
        @staticmethod
        def backup(**more):
            return {
                "schema": "upkeep.backup/1", "backup": "etc", "archive": "/var/lib/upkeep/etc.tar.zst",
                "manifest": "/var/lib/upkeep/etc.manifest", "sha256": "a" * 64, "bytes": 4_100_000, "files": 1924,
                "input_bytes": 9_000_000, "compression": "zst", "created": "2026-11-23T08:00:00Z",
                "confirmed_at": "2026-11-23T08:00:00Z", "duration_ms": 400, "complete": True,
                "changed_during_backup": [], "unreadable": [], "excluded": 0, **more,
            }  # fmt: skip

        @staticmethod
        def restore(**more):
            return {
                "schema": "upkeep.restore/1", "backup": "etc", "archive": "/var/lib/upkeep/etc.tar.zst",
                "archive_sha256": "a" * 64, "archive_created": "2026-11-23T08:00:00Z", "status": "ok",
                "scope": {"mode": "extract", "paths": [], "sample": None, "coverage_pct": 100},
                "files_expected": 1924, "files_verified": 1924, "bytes_verified": 9_000_000, "missing_files": [],
                "corrupt_files": [], "metadata_mismatches": [], "extra_files": [], "not_checked": [], "checks": [],
                "started": "2026-11-23T09:00:00Z", "finished": "2026-11-23T09:00:02Z", "duration_ms": 2000, **more,
            }  # fmt: skip

        @staticmethod
        def package(name, **more):
            return {
                "name": name, "arch": "amd64", "installed": "1.0-1", "candidate": "1.0-2", "origins": ["Debian:12"],
                "security": False, "advisories": [], "cves": [], "severity": None, "severity_source": None,
                "published_at": None, "blocked_by": None, "blocked_detail": None, "new_dependency": False, **more,
            }  # fmt: skip

        @classmethod
        def patch_level(cls, **more):
            pending = more.pop("pending", [cls.package("openssl", security=True), cls.package("vim")])
            repositories = [{"id": "s", "enabled": True, "suite": "s", "origin": "D", "security": True, "signed": True}]
            return {
                "schema": "upkeep.patch_level/1", "host": {"os_id": "debian", "os_version": "12"}, "manager": "apt",
                "metadata": {
                    "refreshed_at": "2026-11-23T07:00:00Z", "refresh_ok": True, "stale": False,
                    "repositories": repositories,
                },
                "installed": [{"name": "openssl", "arch": "amd64", "version": "1.0-1", "source_name": "openssl"}],
                "pending": pending, "removals": [], "kernel": {"running": "6.1", "newest_installed": "6.1"},
                "reboot": {"required": False, "reasons": []}, "services_stale": [],
                "health": {"interrupted": False, "half_configured": [], "locked_by": None},
                "counts": {
                    "installed": 742, "pending": len(pending),
                    "security": sum(1 for each in pending if each["security"]),
                    "blocked": sum(1 for each in pending if each["blocked_by"]),
                },
                **more,
            }  # fmt: skip

        @staticmethod
        def audit(findings=(), **more):
            engine = {"name": "patch", "status": "ok", "reason": None, "findings": len(findings), **more}
            return {"engines": [engine], "findings": list(findings)}

    return Samples


@pytest.fixture
def open_run(home):
    """open_run("r1", ["backup"], ["web1"]) opens a run of this process."""

    def opened(run_id, phases, targeted, started=None, **more):
        run = runs.open_run(home, run_id, "shop", runs.Opening(phases, targeted, "maintain.yml", tool=TOOL, **more))
        if started:
            run.started = started
            runs.save(home, run)
        return run

    return opened


TOOL = {"collection": "0.1.0", "python": "3.11.2", "ansible": "2.19.14"}


@pytest.fixture
def observe():
    """observe(run, host, phase, result, ...) makes an observation of a registered result."""

    def made(run, host, phase, result, name=None, finished="2026-11-23T09:00:02Z", process=None):
        parts, as_list = outcome.parts_of(phase, result, name)
        observation = Observation(
            run.run_id, "shop", host, host, phase, "unknown", None, finished, finished, name=name,
            process=process or processes.this(), tool=TOOL,
        )  # fmt: skip
        observation.hold(parts, as_list)
        return observation

    return made


@pytest.fixture
def record(home, observe):
    """record(run, host, phase, result, ...) does what the action does: observation and evidence."""

    def recorded(run, host, phase, result, **more):
        observation = observe(run, host, phase, result, **more)
        observations.add(home, observation)
        evidence.publish(home, observation, run)
        return observation

    return recorded
