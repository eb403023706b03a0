# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import severity

KEV = severity.EXPLOITED


@pytest.mark.parametrize(
    ("exploited", "vendor", "cvss", "expected"),
    [
        (True, "low", 2.0, ("critical", KEV)),
        (True, None, None, ("critical", KEV)),
        (False, "low", 9.8, ("low", "ubuntu")),  # the vendor knows its own package
        (False, None, 9.0, ("critical", "CVSS 9.0")),
        (False, None, 8.9, ("high", "CVSS 8.9")),
        (False, "unknown", 7.0, ("high", "CVSS 7.0")),
        (False, None, 4.0, ("medium", "CVSS 4.0")),
        (False, None, 0.1, ("low", "CVSS 0.1")),
        (False, None, 0.0, ("unknown", None)),
        (False, None, None, ("unknown", None)),
    ],
)
def test_the_ladder(exploited, vendor, cvss, expected):
    assert severity.rated(exploited, vendor, "ubuntu", cvss) == expected


def test_the_worst():
    assert severity.worst([]) == ("unknown", None)
    pairs = [("low", "b"), ("unknown", None), ("high", "b"), ("high", "a")]
    assert severity.worst(pairs) == severity.worst(reversed(pairs)) == ("high", "a")
