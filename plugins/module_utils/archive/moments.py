# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which moment a person means by `at`."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

LATEST = "latest"
_MOMENTS = {  # how a time may be given -> the seconds up to its end
    "%Y-%m-%dT%H:%M:%SZ": 0,
    "%Y-%m-%d %H:%M:%S+00:00": 0,  # what YAML makes of the one above without quotes
    "%Y%m%dT%H%M%SZ": 0,
    "%Y-%m-%dT%H:%MZ": 59,
    "%Y-%m-%d": 86399,
}


def moment(at: str) -> str:
    """`at` as times are written (they sort as text). UpkeepError `bad_parameter`."""
    for form, seconds in _MOMENTS.items():
        with contextlib.suppress(ValueError):
            when = datetime.strptime(at, form).replace(tzinfo=timezone.utc)
            return times.iso(when + timedelta(seconds=seconds))
    raise UpkeepError(
        "bad_parameter",
        f"at: {at!r} is no time; give a UTC time such as 2026-11-23T08:34:03Z, a day such as 2026-11-23 (its end "
        "counts) or latest.",
        option="at",
    )
