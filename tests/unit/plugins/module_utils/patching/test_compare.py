# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is worse than before, and what only looks so."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.patching import compare

BEFORE = {
    "units": {
        "failed": ["old.service"],
        "active": ["nginx.service", "certbot.timer", "data.mount"],
        "on_demand": ["systemd-hostnamed.service"],
        "restarts": {"nginx.service": 1},
        "seen": True,
    },
    "listening": [
        {"proto": "tcp", "address": "0.0.0.0", "port": 443, "process": "nginx", "unit": "nginx.service"},
        {"proto": "tcp", "address": "::", "port": 443, "process": "nginx", "unit": "nginx.service"},
        {"proto": "tcp", "address": "127.0.0.1", "port": 6010, "process": "sshd", "unit": "session-3.scope"},
        {"proto": "tcp", "address": "0.0.0.0", "port": 40001, "process": "rpcthing", "unit": "rpc.service"},
        {"proto": "tcp", "address": "0.0.0.0", "port": 61616, "process": "java", "unit": "mq.service"},
        {"proto": "udp", "address": "0.0.0.0", "port": 53, "process": "unbound", "unit": "unbound.service"},
        {"proto": "udp", "address": "0.0.0.0", "port": 20111, "process": "unbound", "unit": "unbound.service"},
        {"proto": "udp", "address": "127.0.0.1", "port": 871, "process": "rpc.statd", "unit": "rpc-statd.service"},
        {"proto": "tcp", "address": "127.0.0.1", "port": 5432, "process": None, "unit": None},
    ],
    "boot": {},
    "ephemeral": [32768, 60999],
}


def after(**changes):
    look = copy.deepcopy(BEFORE)
    look["units"].update(changes.get("units", {}))
    if "without" in changes:
        look["listening"] = [entry for entry in look["listening"] if entry["port"] not in changes["without"]]
    if "address" in changes:
        for entry in look["listening"]:
            entry["address"] = changes["address"].get((entry["port"], entry["address"]), entry["address"])
    return look


def told(look, named=()):
    return list(compare.problems(BEFORE, look, named))


@pytest.mark.parametrize(
    "look",
    [
        after(),
        after(units={"on_demand": []}),
        after(units={"failed": []}),
        after(units={"failed": ["old.service", "apt-daily.service"]}),
        # It is wanted by nobody any more, but runs as before.
        after(units={"active": ["certbot.timer", "data.mount"], "on_demand": ["nginx.service"]}),
        after(without={6010}),
        after(without={40001}),
        after(without={20111}),
        after(without={871}),
        after(address={(443, "0.0.0.0"): "::"}),
        after(address={(5432, "127.0.0.1"): "::1"}),
    ],
)
def test_no_false_alarm(look):
    assert told(look) == []


@pytest.mark.parametrize(
    "look, found",
    [
        (after(units={"failed": ["old.service", "new.service"]}), [("unit_failed", "new.service has failed")]),
        (
            after(units={"failed": ["nginx.service", "old.service"], "active": ["certbot.timer", "data.mount"]}),
            [("unit_failed", "nginx.service has failed")],
        ),
        (after(units={"active": ["nginx.service", "data.mount"]}), [("unit_gone", "certbot.timer was active")]),
        (after(without={443}), [("port_closed", "tcp port 443 (nginx, nginx.service) was listened on before")]),
        (after(without={5432}), [("port_closed", "tcp port 5432 (a program that could not be seen)")]),
        (after(without={61616}), [("port_closed", "tcp port 61616 (java, mq.service)")]),
        (after(without={53}), [("port_closed", "udp port 53 (unbound, unbound.service)")]),
        (
            after(address={(443, "0.0.0.0"): "127.0.0.1", (443, "::"): "::1"}),
            [("port_closed", "tcp port 443 (nginx, nginx.service) was open to other hosts before")],
        ),
    ],
)
def test_what_is_worse(look, found):
    problems = told(look)
    assert [problem["code"] for problem in problems] == [code for code, _start in found]
    for problem, (_code, start) in zip(problems, found):
        assert problem["message"].startswith(start)


def test_a_port_that_policy_names_counts_whatever_its_number():
    assert [problem["code"] for problem in told(after(without={40001}), [40001])] == ["port_closed"]


@pytest.mark.parametrize("unseen", ["before", "after"])
def test_units_that_could_not_be_seen_are_not_compared(unseen):
    looks = {"before": copy.deepcopy(BEFORE), "after": after(units={"active": [], "failed": ["x.service"]})}
    looks[unseen]["units"]["seen"] = False
    assert list(compare.problems(looks["before"], looks["after"])) == []


def test_units_that_crash_between_two_looks():
    assert compare.crashing(BEFORE, after()) == []
    assert compare.crashing(BEFORE, after(units={"restarts": {"nginx.service": 3, "b.service": 1}})) == [
        "b.service",
        "nginx.service",
    ]
    # A restart by hand sets the count back.
    assert compare.crashing(BEFORE, after(units={"restarts": {}})) == []
