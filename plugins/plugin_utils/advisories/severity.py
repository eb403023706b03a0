# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How severe a vulnerability is, and who says so. Pure.

The ladder: what is known to be exploited is critical; else what the vendor says; else its CVSS base score, by the bands
of CVSS v3.1, section 5. What none of them says is unknown, which is no severity. EPSS is shown and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from .model import SEVERITIES

# From worst to best; unknown comes after all that is known.
ORDER = (*SEVERITIES, "unknown")
EXPLOITED = "CISA KEV"
_BANDS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def rated(exploited: bool, vendor: str | None, vendor_name: str, cvss: float | None) -> tuple[str, str | None]:
    """(severity, its source): one of ORDER, and None for the source of an unknown one."""
    if exploited:
        return "critical", EXPLOITED
    if vendor in SEVERITIES:
        return str(vendor), vendor_name
    for least, severity in _BANDS:
        if cvss is not None and cvss >= least:
            return severity, f"CVSS {cvss:.1f}"
    return "unknown", None


def worst(pairs: Iterable[tuple[str, str | None]]) -> tuple[str, str | None]:
    """The worst of (severity, source) pairs; unknown for none at all."""
    return min(pairs, key=lambda pair: (ORDER.index(pair[0]), pair[1] or ""), default=("unknown", None))


def rank(severity: str) -> int:
    """0 for critical; larger is milder."""
    return ORDER.index(severity)
