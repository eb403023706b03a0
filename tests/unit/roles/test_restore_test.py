# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the defaults of the role restore_test come to."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.proven.upkeep.plugins.filter.given import given
from ansible_collections.proven.upkeep.plugins.filter.vaulted_sets import vaulted_sets

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("own", "fleet", "source"),
    [
        ({}, False, "host"),
        ({}, True, "vault"),
        ({"vault": None}, True, "vault"),
        ({"vault": ""}, True, "vault"),
        ({"vault": "false"}, True, "host"),
        ({"vault": False}, True, "host"),
        ({"vault": "yes"}, None, "vault"),
    ],
)
def test_a_drill_elsewhere_takes_from_the_vault_what_goes_there(own, fleet, source):
    defaults = yaml.safe_load((ROOT / "roles/restore_test/defaults/main.yml").read_text())
    jinja = jinja2.Environment()
    jinja.filters.update({"proven.upkeep.given": given, "proven.upkeep.vaulted_sets": vaulted_sets})
    known = {"item": {"name": "etc", **own}, "backup_vault": fleet, "restore_test_from": ""}
    found = jinja.from_string(defaults["__restore_test_source"]).render(known, __restore_test_engine="archive")
    assert found.strip() == source
