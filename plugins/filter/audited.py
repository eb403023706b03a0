# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several audit engines' results as one: a host's audit is recorded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: audited
short_description: Several audit engines' results as one
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Joins the registered results of audit engines into one, for M(proven.upkeep.record) to record as the host's audit.
  - A result that failed makes the whole one failed; what the others found stays in it.
  - Results of tasks that were skipped are left out, unless all were.
positional: _input
options:
  _input:
    description: The registered results; one that is not there may be an empty mapping.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
result: "{{ [patch_result, advisories_result | default({})] | proven.upkeep.audited }}"
"""

RETURN = r"""
_value:
  description: One result, with the engines and findings of all.
  type: dict
"""


def audited(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The results as one: `data.engines` and `data.findings` of all, failed as the first that failed."""
    every = [result for result in results if result]
    ran = [result for result in every if not result.get("skipped")]
    failed = next((result for result in ran if result.get("failed") or result.get("unreachable")), None)
    if not ran:
        return dict(every[0]) if every else {"skipped": True, "skip_reason": "no audit engine was chosen"}
    data = [result["data"] for result in ran if result.get("data")]
    joined = {key: [each for one in data for each in one.get(key) or []] for key in ("engines", "findings")}
    whole = dict(failed or ran[0])
    return {**whole, "data": joined} if data else whole


class FilterModule:
    """Ansible's way to name filters."""

    def filters(self) -> dict[str, Any]:
        return {"audited": audited}
