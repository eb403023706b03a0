# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sets go to the vault, what stays there, what a long pull says, and where its session goes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import tags
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp import of_task
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import index, kept, pull, wanted
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.progress import Progress

SETS = [{"name": "workflows"}, {"name": "etc"}, {"name": "big", "engine": "restic"}, {"name": "no", "vault": False},
        {"name": "yes", "vault": "yes"}, {"name": "null", "vault": None}]  # fmt: skip


@pytest.mark.parametrize(
    ("vault", "engine", "names"),
    [(True, None, ["etc", "yes", "null"]), ("true", "archive", ["etc", "yes", "null"]), (None, None, ["yes"]),
     ("", "", ["yes"]), (False, None, ["yes"]), (True, "restic", [])],
)  # fmt: skip
def test_which_sets(vault, engine, names):
    assert [each["name"] for each in wanted.vaulted(SETS, vault, engine)] == names


@pytest.mark.parametrize(
    ("hosts", "phases"),
    [([{}], []), ([{"backup_sets": [{"name": "workflows"}], "backup_vault": True}], []),
     ([{}, {"backup_sets": [{"name": "etc"}], "backup_vault": True}], ["vault"]),
     ([{"backup_sets": None}, {"backup_sets": [{"name": "e", "vault": True}], "backup_copies": [{"name": "x"}]}],
      ["vault", "copy"])],
)  # fmt: skip
def test_which_phases(hosts, phases):
    assert wanted.phases(hosts) == phases


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "left"),
    [(["all"], [], ["backup", "vault", "copy"]), (["backup"], [], ["backup", "vault", "copy"]),
     (["vault"], [], ["vault", "copy"]), (["all"], ["vault"], ["backup"]), (["all"], ["backup"], [])],
)  # fmt: skip
def test_tags(run_tags, skip_tags, left):
    assert tags.selected_phases(["backup", "vault", "copy"], run_tags, skip_tags) == left


def entries(*days):
    return [
        index.Vaulted("h", "etc", *[f"2026-11-{day}T00:00:00Z"] * 2, f"{day}.tar", 10, "s", f"sha{day}") for day in days
    ]


@pytest.mark.parametrize(
    ("policy", "verified", "gone"),
    [({}, [], []), ({"keep_last": 1}, [], [22, 21, 20]), ({"keep_last": 1}, ["sha21"], [22, 20]),
     ({"keep_last": 1, "keep_at_least": 3}, [], [20]), ({"max_size": 25}, [], [21, 20]),
     ({"max_size": 5}, ["sha20"], [22, 21])],
)  # fmt: skip
def test_what_stays(policy, verified, gone):
    there = entries(23, 22, 21, 20)
    staying, going = kept.plan(there, policy, there[0].created, verified)
    assert [one["archive"] for one in going] == [f"{day}.tar" for day in gone] and all(one["why"] for one in going)
    assert kept.summary(staying) == {"archives": 4 - len(gone), "bytes": 10 * (4 - len(gone))}


@pytest.mark.parametrize("policy", [{"keep_last": 1}, {"keep_last": 2}, {"keep_daily": 2}, {"max_size": 25}])
def test_a_clock_that_was_ahead_costs_no_newer_backup(policy):
    three = entries(23, 22, 21)
    there = [*three[:2], replace(three[2], created="2031-01-01T00:00:00Z")]
    staying, going = kept.plan(there, policy, there[0].created)
    assert [one["archive"] for one in going] == ["22.tar", "21.tar"][policy != {"keep_last": 1} :]
    assert staying[0]["created"] == there[0].created
    assert kept.ahead(there, times.parse("2026-11-23T00:00:00Z")) == ["2031-01-01T00:00:00Z"]
    assert kept.ahead(three, times.parse("2026-11-22T23:55:00Z")) == []


def test_what_the_host_has_now_stays_whatever_else_came_later():
    staying, going = kept.plan(entries(23, 22), {"keep_last": 1}, "2026-11-22T00:00:00Z")
    assert [one["archive"] for one in staying] == ["23.tar", "22.tar"] and going == []


def test_progress_every_ten_seconds():
    said, now = [], [0.0]
    progress = Progress("web1 etc", said.append, lambda: now[0])
    for second, done in enumerate(range(0, 4_000_000, 100_000)):
        now[0] = float(second)
        progress(done, 4_000_000)
    assert said == [
        "  web1 etc  25 % of 4.0 MB, 100.0 kB/s, 30 s left",
        "  web1 etc  50 % of 4.0 MB, 100.0 kB/s, 20 s left",
        "  web1 etc  75 % of 4.0 MB, 100.0 kB/s, 10 s left",
    ]


class Options(dict):
    """A connection or become plugin, as far as its options go."""

    def get_option(self, name):
        return self.get(name)


def connection(transport="ssh", become=None, **options):
    given = Options(host="web1", port=None, remote_user="ops", timeout=15, **options)
    return SimpleNamespace(transport=transport, get_option=given.get_option, become=become)


def sudo(name="sudo", **options):
    given = Options(become_user="root", **options)
    return SimpleNamespace(name=name, get_option=given.get_option)


def test_where_a_task_goes():
    found = of_task.target(
        connection(
            ssh_args="-C -o ControlMaster=auto", ssh_common_args="-F 'a b'", private_key_file="~/k", password="p"
        )
    )
    assert (found.host, found.user, found.port, found.password, found.command) == ("web1", "ops", None, "p", None)
    assert found.arguments[:5] == ("-C", "-o", "ControlMaster=auto", "-F", "a b")
    assert found.arguments[6].startswith('IdentityFile="/') and "'p'" not in repr(found)


@pytest.mark.parametrize(
    ("given", "way"),
    [(connection("local"), None), (connection("docker"), None), (connection(become=sudo("su")), None),
     (connection(become=sudo("community.general.doas")), None),
     (connection(become=sudo()), "sudo -H -n -u root -- sh -c"),
     (connection(become=sudo("ansible.builtin.sudo", become_exe="/opt/sudo x")), "/opt/sudo x -H -n -u root"),
     (connection(become=sudo(become_pass="s3cret")), "sudo -H -S -p")],
)  # fmt: skip
def test_who_it_becomes(given, way):
    found = of_task.target(given)
    assert found is None if way is None else found.command.startswith(way)
    assert way is None or ("s3cret" not in found.command and "s3cret" not in repr(found))


def test_no_room(tmp_path):
    with pytest.raises(UpkeepError) as raised:
        pull.check_room(tmp_path, 1 << 60)
    assert raised.value.code == "controller_full"
