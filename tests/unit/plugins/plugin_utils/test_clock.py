# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's clock against the controller's."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.plugin_utils import clock

BEGAN, NOW = times.parse("2026-11-23T08:00:00Z"), times.parse("2026-11-23T08:05:00Z")
CASES = {
    "within the run": ("patch_level", [{"collected": "2026-11-23T08:04:59Z"}], 0),
    "a second before the run": ("patch_level", [{"collected": "2026-11-23T07:59:59Z"}], 0),
    "within the tolerance": ("restore_test", [{"finished": "2026-11-23T08:06:00Z"}], 0),
    "ahead": ("restore_test", [{"finished": "2026-11-23T10:05:00Z"}], 7200),
    "behind": ("backup", [{"confirmed_at": "2026-11-22T08:00:00Z"}], -86400),
    "one of several sets": ("backup", [None, {"confirmed_at": "2026-11-23T08:01:00Z"}, {}], 0),
    "a time that is none": ("backup", [{"confirmed_at": "yesterday"}], None),
    "nothing said": ("backup", [None], None),
    "a phase without a clock": ("audit", [{"finished": "2026-11-23T10:05:00Z"}], None),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_skew(case):
    phase, data, expected = CASES[case]
    assert clock.skew_s(phase, data, BEGAN, NOW) == expected


@pytest.mark.parametrize(
    "skew, words",
    [
        (61, "at least 1 min ahead of the controller's"),
        (-7200, "at least 2 h 0 min behind the controller's"),
        (400000, "at least 4 days ahead of the controller's"),
    ],
)
def test_words(skew, words):
    assert clock.words(skew) == words
