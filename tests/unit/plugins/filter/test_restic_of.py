# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sets restic backs up, and how it reaches their repository."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.proven.upkeep.plugins.filter.of_engine import of_engine
from ansible_collections.proven.upkeep.plugins.filter.restic_of import restic_of
from ansible_collections.proven.upkeep.plugins.filter.secrets_of import secrets_of

FLEET = {"repository": "rest:https://backup.example.com/fleet", "password": "restic"}
SETS = [{"name": "workflows"}, {"name": "etc"}, {"name": "big", "engine": "restic"}, {"name": "a", "engine": "archive"}]


@pytest.mark.parametrize(
    ("engine", "default", "names"),
    [
        ("archive", None, ["etc", "a"]),
        ("restic", "", ["big"]),
        ("restic", "restic", ["etc", "big"]),
        ("archive", "restic", ["a"]),
    ],
)
def test_a_set_says_itself_who_backs_it_up_and_workflows_is_no_hosts(engine, default, names):
    assert [one["name"] for one in of_engine(SETS, engine, default)] == names
    assert of_engine(None, engine) == []


def test_a_set_may_have_a_repository_of_its_own():
    own = {"name": "big", "restic_repository": "/mnt/restic"}
    assert restic_of(own, {**FLEET, "check_of": None})["repository"] == "/mnt/restic"
    assert restic_of({"name": "big"}, FLEET) == {**FLEET, "environment": {}, "settings": {}}


@pytest.mark.parametrize(
    ("one", "restic", "words"),
    [
        ({}, {}, "no repository"),
        ({}, {"repository": "/mnt"}, "no password"),
        ({}, {**FLEET, "pasword": "x"}, "there is no pasword"),
        ({"snapshot": "auto"}, FLEET, "snapshot"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(one, restic, words):
    with pytest.raises(AnsibleFilterError, match=words):
        restic_of({"name": "big", **one}, restic)


def test_a_task_gets_the_secrets_that_it_needs_and_no_other():
    secrets = {"db": "1", "restic": "2", "key": "3", "offsite": "4", "other": "5"}
    one = {"name": "shop", "dumps": [{"name": "pg", "secret": "db"}, {"name": "lite"}]}
    assert secrets_of(secrets, one) == {"db": "1"}
    assert secrets_of(secrets, one, {"password": "restic", "environment": {"AWS_SECRET_ACCESS_KEY": "key"}}) == {
        "db": "1", "restic": "2", "key": "3",
    }  # fmt: skip
    assert secrets_of(secrets, [{"name": "offsite", "secret": "offsite"}, {"name": "disk"}]) == {"offsite": "4"}
    assert secrets_of(None, one, None) == {}
