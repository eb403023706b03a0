# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The advisory actions in this process; tests/integration has them in their playbook."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.proven.upkeep.plugins.action import advisories_bundle, advisories_update
from ansible_collections.proven.upkeep.plugins.plugin_utils import home, observations, outcome, processes, runs
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation

from tests.feeds import FILES, server

__all__ = ["server"]

_NO_CONNECTION = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
LEVEL = {"schema": "upkeep.patch_level/1", "host": {"os_id": "debian", "os_version": "12"}, "pending": []}


@pytest.fixture(name="act")
def act_fixture(tmp_path, monkeypatch):
    """act(advisories_update, sources=["kev"], ...) runs an action under act.home; `check` is check mode."""
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(args=("advisories.yml",), tags=("all",)))
    place = tmp_path / "home"
    mirror = tmp_path / "mirror"
    for name, content in FILES.items():
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).write_bytes(content)

    def run(plugin, check=False, **arguments):
        known = {"inventory_hostname": "web1", "upkeep_home": str(place)}
        templar = Templar(loader=DataLoader(), variables=known)
        task = SimpleNamespace(action=plugin.__name__, args=arguments, check_mode=check, async_val=0, diff=False)
        return plugin.ActionModule(task, _NO_CONNECTION, None, DataLoader(), templar, None).run(None, known)

    run.home, run.mirror = place, mirror
    return run


def states(result):
    return {each["source"]: each["state"] for each in result["sources"]}


def test_without_a_patch_level_only_what_speaks_of_all(act, capsys):
    result = act(advisories_update, mirror=str(act.mirror))
    assert result["changed"] and states(result) == {"kev": "loaded", "epss": "loaded"}
    assert "kev: " in capsys.readouterr().out
    again = act(advisories_update, mirror=str(act.mirror), max_age=0)
    assert not again["changed"] and states(again) == {"kev": "unchanged", "epss": "unchanged"}
    assert states(act(advisories_update, mirror=str(act.mirror))) == {"kev": "fresh", "epss": "fresh"}


def test_the_fleets_distributions_choose(act):
    home.ensure_home(act.home)
    run = runs.open_run(act.home, "r1", "shop", runs.Opening(["patch_level"], ["web1"], "patch.yml"))
    seen = Observation(
        run.run_id, "shop", "web1", "web1", "patch_level", "unknown", None, "", "", process=processes.this()
    )
    seen.hold(*outcome.parts_of("patch_level", {"data": LEVEL}, None))
    observations.add(act.home, seen)
    assert set(states(act(advisories_update, mirror=str(act.mirror)))) == {"debian", "kev", "epss"}
    named = act(advisories_update, mirror=str(act.mirror), sources=["alpine"], releases=["alpine:3.22"])
    assert states(named) == {"alpine": "loaded"}


def test_check_mode_asks_nobody_and_leaves_nothing(act, server, capsys):
    result = act(
        advisories_update, check=True, mirror=server.url.replace("//", "//me:secret@"), sources=["debian", "kev"]
    )
    assert states(result) == {"debian": "would_ask", "kev": "would_ask"} and not result["changed"]
    assert f"{server.url}/debian/tracker.json" in result["sources"][0]["files"]
    assert "would ask" in capsys.readouterr().out and "secret" not in str(result)
    assert server.seen == [] and not act.home.exists()


def test_a_source_that_fails_fails_the_task_after_the_others(act):
    (act.mirror / "kev/known_exploited_vulnerabilities.json").write_text("<html>")
    result = act(advisories_update, mirror=str(act.mirror))
    assert result["failed"] and result["error_code"] == "sources_failed" and "kev" in result["msg"]
    assert states(result) == {"kev": "failed", "epss": "loaded"}
    failed = result["sources"][0]
    assert (failed["error_code"], failed["stale"], failed["rows"]) == ("feed_damaged", True, 0)


def test_a_list_that_is_missing_fails_the_task_and_not_the_source(act):
    (act.mirror / "debian/DLA.list").unlink()
    result = act(advisories_update, mirror=str(act.mirror), sources=["debian"])
    assert result["failed"] and states(result) == {"debian": "partial"}
    assert result["sources"][0]["rows"] > 0 and result["sources"][0]["error_code"] == "feed_missing"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"sources": ["nosuch"]}, "no_such_source"),
        ({"releases": ["debian:bookworm"]}, "bad_release"),
        ({"max_age": -1}, "bad_parameter"),
        ({"attempts": 0}, "bad_parameter"),
        ({"mirror": "ftp://host", "sources": ["kev"]}, "sources_failed"),
        ({"sources": ["alpine"]}, "sources_failed"),
    ],
)
def test_bad_input(act, arguments, code):
    result = act(advisories_update, **arguments)
    assert result["failed"] and result["error_code"] == code


def test_into_an_air_gap(act, tmp_path, capsys):
    act(advisories_update, mirror=str(act.mirror))
    assert act(advisories_bundle, check=True, state="exported", path=str(tmp_path / "x.tar.gz"))["changed"]
    assert not (tmp_path / "x.tar.gz").exists()
    exported = act(advisories_bundle, state="exported", path=str(tmp_path / "x.tar.gz"))
    assert (
        exported["changed"] and exported["sources"] == ["epss", "kev"] and exported["sha256"] in capsys.readouterr().out
    )
    act.home.rename(tmp_path / "other")
    foreseen = act(advisories_bundle, check=True, state="imported", path=str(tmp_path / "x.tar.gz"))
    assert foreseen["changed"] and not (act.home / "state/advisories.db").exists()
    assert act(advisories_bundle, state="imported", path=str(tmp_path / "x.tar.gz"))["changed"]
    assert not act(advisories_bundle, state="imported", path=str(tmp_path / "x.tar.gz"))["changed"]
    missing = act(advisories_bundle, state="imported", path=str(tmp_path / "y.tar.gz"))
    assert missing["error_code"] == "bundle_missing"
    assert json.dumps(exported)


def test_what_is_stale_is_warned_of(act, capsys):
    old = FILES["kev/known_exploited_vulnerabilities.json"].replace(b"2026-11-20T17", b"2020-01-01T00")
    (act.mirror / "kev/known_exploited_vulnerabilities.json").write_bytes(old)
    (kev,) = act(advisories_update, mirror=str(act.mirror), sources=["kev"])["sources"]
    assert kev["stale"] and kev["state"] == "loaded"
    assert "stale" in " ".join(capsys.readouterr().err.split())
