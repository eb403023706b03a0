# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts are of which ring: each of one, whatever the groups say."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.proven.upkeep.plugins.filter.ring_hosts import ring_hosts

RINGS = ["canary", "early", "main"]
GROUPS = {
    "all": ["a", "b", "c", "d", "e"],
    "canary": ["a", "b"],
    "main": ["b", "c"],
    "web": ["a", "c", "e"],
}


def hosts(patterns: list[str], groups: dict[str, list[str]]) -> list[str]:
    """What Ansible makes of the patterns."""
    manager = InventoryManager(DataLoader(), sources=[])
    manager._inventory = InventoryData()
    for group, members in groups.items():
        manager._inventory.add_group(group)
        for member in members:
            manager._inventory.add_host(member, group)
    manager.reconcile_inventory()
    return [host.name for host in manager.get_hosts(patterns)]


@pytest.mark.parametrize(
    "target, expected",
    [
        ("all", [["a", "b"], [], ["c"], ["d", "e"]]),
        ("web", [["a"], [], ["c"], ["e"]]),
        ("a", [["a"], [], [], []]),
        ("a,c,d", [["a"], [], ["c"], ["d"]]),
        ("web:!e", [["a"], [], ["c"], []]),
    ],
)
@pytest.mark.parametrize("rings", [RINGS, "canary, early,main"])
def test_each_host_is_of_one_ring(rings, target, expected):
    assert [hosts(ring_hosts(GROUPS, rings, number, target), GROUPS) for number in range(4)] == expected


def test_a_fleet_without_rings_is_one():
    assert [hosts(ring_hosts(GROUPS, [], number), GROUPS) for number in range(4)] == [[], [], [], GROUPS["all"]]


@pytest.mark.parametrize(
    "rings, words",
    [(["a", "b", "c", "d"], "3 rings at most"), (["a", "a"], "twice"), (7, "names of groups"), ([1], "names")],
)
def test_rings_that_make_no_sense_are_refused(rings, words):
    with pytest.raises(AnsibleFilterError, match=words):
        ring_hosts(GROUPS, rings, 0)
