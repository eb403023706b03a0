# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.filter.chosen_sets import chosen_sets
from ansible_collections.proven.upkeep.plugins.filter.copies_of import copies_of
from ansible_collections.proven.upkeep.plugins.filter.given import given

SETS = [
    {"name": "workflows"},
    {"name": "etc", "paths": ["/etc"], "level": 0, "sparse": False, "dest": "", "exclude": None},
]


@pytest.mark.parametrize(
    "value, is_given", [(None, False), ("", False), (0, True), (False, True), ([], True), ("x", True)]
)
def test_given(value, is_given):
    assert given(value, "other") == (value if is_given else "other")


@pytest.mark.parametrize("only", [None, [], "", ["etc", "workflows"], "workflows, etc"])
def test_all_sets_without_what_is_not_given(only):
    assert chosen_sets(SETS, only) == [
        {"name": "workflows"},
        {"name": "etc", "paths": ["/etc"], "level": 0, "sparse": False},
    ]


@pytest.mark.parametrize("only", [["etc"], "etc"])
def test_some(only):
    assert [each["name"] for each in chosen_sets(SETS, only)] == ["etc"]


def test_what_other_hosts_have_is_no_typo():
    assert chosen_sets(SETS, ["dumps"], ["dumps"]) == []
    assert chosen_sets([{"name": "etc"}], ["workflows"]) == []


@pytest.mark.parametrize("sets", [None, []])
def test_none_at_all_are_the_operations_own(sets):
    assert chosen_sets(sets) == [{"name": "workflows"}]


@pytest.mark.parametrize(
    "sets, only, named",
    [
        ([{"name": "etc"}, {"name": "etc"}], None, "etc"),
        ([{"name": "../../x"}], None, "../../x"),
        ([{"name": "a/b"}], None, "a/b"),
        ([{"name": ".hidden"}], None, ".hidden"),
        ([{"paths": ["/etc"]}], None, "''"),
        (SETS, ["ect"], "ect"),
    ],
)
def test_refused_by_name(sets, only, named):
    with pytest.raises(AnsibleFilterError, match=named.replace(".", r"\.")):
        chosen_sets(sets, only)


OFFSITE = {"name": "offsite", "path": "/copy", "sftp": "far", "port": None, "secret": "far_login"}


def test_copies_of_sets_that_go_to_the_vault():
    sets = [{"name": "etc", "keep": {"last": 2}}, {"name": "big", "vault": False}, {"name": "s3", "engine": "restic"}]
    disk = {"name": "disk", "path": "/mnt", "sets": ["etc", "other"], "keep": {"daily": 3}}
    items = copies_of(sets, [OFFSITE, disk], True)
    assert [item["name"] for item in items] == ["etc on offsite", "etc on disk"]
    assert [item["keep"] for item in items] == [{"last": 2}, {"daily": 3}]
    assert items[0]["copy"] == {key: value for key, value in OFFSITE.items() if key != "port"}
    assert copies_of(sets, [OFFSITE], True, {"yearly": 1})[0]["keep"] == {"yearly": 1}
    assert copies_of(sets, [], False) == copies_of(sets, None) == copies_of(sets[2:], [OFFSITE]) == []


@pytest.mark.parametrize(
    ("copies", "told"),
    [
        ([OFFSITE, OFFSITE], "twice"),
        ([{"path": "/x"}], "no name"),
        ([{"name": "vault", "path": "/x"}], "neither vault nor host"),
        ([{"name": "a"}], "no path"),
        ([OFFSITE], "backup_vault: true"),
    ],
)
def test_copies_that_make_no_sense(copies, told):
    with pytest.raises(AnsibleFilterError, match=told):
        copies_of([{"name": "etc"}], copies, told != "backup_vault: true" and True)


def test_a_copy_of_a_set_that_no_host_has_is_refused():
    copy, sets = {**OFFSITE, "sets": ["etc", "shopp"]}, [{"name": "etc"}]
    with pytest.raises(AnsibleFilterError, match="names shopp, which is no set of any host; there are etc, shop"):
        copies_of(sets, [copy], True, known=["etc", "shop"])
    assert len(copies_of(sets, [{**copy, "sets": ["etc", "shop"]}], True, known=["etc", "shop"])) == 1
