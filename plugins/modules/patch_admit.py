#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host may start its patch run now."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_admit
short_description: Whether a host may start its patch run now
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Checks the whole policy, which is the C(patch_*) variables of the role C(patch), and
    fails with C(invalid_policy) before anything starts. Every mistake is named with its variable and entry.
  - Then sees whether the host may start. An earlier ring, or its own, of which more hosts failed than
    C(patch_ring_failures) stops it; so does a window that is closed, or that would close before the host is done; so
    does the budget of the run.
  - How long a host takes is estimated by its earlier runs, else by the hosts that this run has changed, else by
    C(patch_expected_duration).
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  rings:
    description:
      - The inventory groups that are patched one after the other. Hosts of none of them come last.
      - By default the variable C(patch_rings), else C(ring_canary), C(ring_early), C(ring_main).
    type: list
    elements: str
  ring:
    description: The ring that the host is in; by default the first of O(rings) whose group holds it.
    type: str
  begun:
    description:
      - The earlier run that left the host in the middle. What was begun is gone on with at any time, and
        RV(data.notes) says so.
    type: str
  only_check:
    description: Check the policy and nothing else.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Admits every host, at any time, since it is only planned for; RV(data.notes) says what would be.
seealso:
  - module: proven.upkeep.patch_select
  - module: proven.upkeep.patch_judge
"""

EXAMPLES = r"""
- name: See whether the host may start now
  proven.upkeep.patch_admit:
  register: admitted
"""

RETURN = r"""
data:
  description: What was found.
  returned: success
  type: dict
  contains:
    admitted:
      description: Whether it may start. Not there with O(only_check).
      type: bool
      returned: success
    code:
      description: Why not, for programs. One of C(ring_stopped), C(outside_window), C(budget); V(null) where it may.
      type: str
      returned: success
      sample: ring_stopped
    reason:
      description: Why not, with the figures and what to do; V(null) where it may.
      type: str
      returned: success
      sample: "now (2026-11-24 12:00 UTC) is outside its windows (tue 22:00 to 04:00 Europe/Berlin)"
    ring:
      description: The host's ring; V(null) for a host of none.
      type: str
      returned: success
      sample: ring_canary
    estimate_s:
      description: The seconds that the host is expected to take; V(null) where neither window nor budget asks.
      type: int
      returned: success
      sample: 212
    estimated_by:
      description: Where that comes from.
      type: str
      returned: success
      sample: p95 of 8 earlier runs of it
    notes:
      description: What did not stop it and should be known.
      type: list
      elements: str
      returned: success
      sample: ["changed outside its windows, since patch_outside_window is set"]
    policy_sha256:
      description: The hash of what in the policy decides a plan.
      type: str
      returned: success
    run_id:
      description: The run.
      type: str
      returned: success
    started:
      description: When it began (UTC).
      type: str
      returned: success
    finished:
      description: When it ended (UTC).
      type: str
      returned: success
    duration_ms:
      description: How long it took.
      type: int
      returned: success
run_id:
  description: The run.
  returned: success
  type: str
error_code:
  description: >-
    What went wrong, for programs. One of C(invalid_policy), C(invalid_health), C(bad_run_id), C(home_in_collection),
    C(home_unwritable).
  returned: failure
  type: str
  sample: invalid_policy
"""

# Implemented by the action plugin of the same name.
