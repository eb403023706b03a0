# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The next smaller scope: the largest paths without damage, few enough to paste."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive.smaller import next_scope

TREE = [b"etc", b"etc/a", b"etc/ssl", b"etc/ssl/x", b"etc/ssl/y", b"srv", b"srv/1", b"srv/2", b"srv/3", b"top"]


@pytest.mark.parametrize(
    ("damaged", "blocks", "paths", "why"),
    [
        (
            {b"etc/ssl/x"},
            [7],
            ["srv", "etc/a", "etc/ssl/y", "top"],
            "1 of 10 entries is damaged, all in block 7: 7 ent",
        ),
        # A damaged folder entry spoils the folder, not what stands in it.
        ({b"srv"}, [], ["etc", "srv/1", "srv/2", "srv/3", "top"], "1 of 10 entries is damaged: 9 entries under 5 of"),
        ({b"etc/a", b"top"}, [1, 2], ["srv", "etc/ssl"], "2 of 10 entries are damaged, in 2 blocks (1, 2): 7 entries"),
        (set(TREE), list(range(9)), [], "10 of 10 entries are damaged, in 9 blocks (0, 1, 2, 3, 4, …): no part of it"),
    ],
)
def test_the_largest_paths_without_damage(damaged, blocks, paths, why):
    scope = next_scope(len(TREE), damaged, blocks, TREE)
    assert scope["paths"] == paths
    assert scope["why"].startswith(why)


def test_without_damage_there_is_none():
    assert next_scope(10, set(), [], TREE) is None


def test_it_stays_small_and_can_be_pasted():
    names = [b"d/%05d" % n for n in range(20_000)] + [b"a,b", b"c\xff", b"e\nf", b"zz"]
    scope = next_scope(len(names), {b"d/00000"}, [0], iter(names))
    assert len(scope["paths"]) == 20
    assert not {"a,b", "e\nf"} & set(scope["paths"])
    assert len(scope["why"]) < 200
    many = next_scope(len(names), set(names[:15_000]), [0], iter(names))
    assert many["paths"] == []
