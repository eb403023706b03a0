#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a host in a patch run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_judge
short_description: Judge a host in a patch run
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Before a change, an interrupted package manager, packages left half-configured, a held lock, stale package lists, a
    lack of room, and a health check that is red already each refuse it.
  - After a change, it fails where something planned is not so, something else changed (versions, additions, removals,
    holds, automatic marks), a package is left in between, a unit did not restart, a reboot is still due though policy
    wants one, or the host's health is worse than before.
  - What was not seen does not count as well.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  of:
    description:
      - V(preflight) judges whether the host may be changed, by O(begin), O(level) and, once there is one, O(plan).
      - V(verify) judges whether it is as planned, and as well as before, by all of them.
    type: str
    choices: [preflight, verify]
    required: true
  direction:
    description: With V(back), O(plan) is to have been undone.
    type: str
    choices: [apply, back]
    default: apply
  begin:
    description: The C(data) of patch_begin.
    type: raw
  level:
    description: The C(data) of patch_level from before the change.
    type: raw
  plan:
    description: The C(data) of patch_plan, or the plan itself; required for C(verify).
    type: raw
  applied:
    description: The C(data) of patch_apply.
    type: raw
  restart:
    description: The C(data) of patch_restart.
    type: raw
  reboot:
    description: The C(data) of patch_reboot.
    type: raw
  health:
    description: The C(data) of patch_health.
    type: raw
  level_after:
    description: The C(data) of patch_level from after the change.
    type: raw
attributes:
  check_mode:
    support: full
    description: Stale package lists are noted and refuse nothing, since nothing is refreshed.
seealso:
  - module: proven.upkeep.patch_level
  - module: proven.upkeep.patch_admit
"""

EXAMPLES = r"""
- name: Judge whether the host may be changed
  proven.upkeep.patch_judge:
    of: preflight
    begin: "{{ begun.data }}"
    level: "{{ level.data }}"
  register: fit

- name: Judge whether it is as planned, and as well as before
  proven.upkeep.patch_judge:
    of: verify
    plan: "{{ plan.data }}"
    begin: "{{ begun.data }}"
    level: "{{ level.data }}"
    applied: "{{ applied.data }}"
    health: "{{ health.data }}"
    level_after: "{{ level_after.data }}"
  register: verified
"""

RETURN = r"""
data:
  description: What was found.
  returned: success
  type: dict
  contains:
    status:
      description: C(ok); else C(refused) before a change, and C(failed) after one.
      type: str
      returned: success
      sample: ok
    problems:
      description:
        - What speaks against it, each with a C(code) and a C(message).
        - Of preflight, C(not_seen), C(lock_held), C(interrupted), C(half_configured), C(unmet_dependencies),
          C(stale_metadata), C(health_red), and what refused the plan (C(no_space)).
        - Of verify, C(not_seen), C(apply_failed), C(not_applied), C(unplanned_change), C(mark_changed),
          C(half_configured), C(interrupted), C(unmet_dependencies), C(restart_failed), C(reboot_due), C(reboot_kernel),
          and those of patch_health.
      type: list
      elements: dict
      returned: success
      sample: [{code: not_applied, message: "openssl is 3.0.14-1, planned was 3.0.15-1"}]
    notes:
      description: What stops nothing and should be known.
      type: list
      elements: str
      returned: success
      sample: ["still running replaced code: ssh.service"]
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
error_code:
  description: >-
    What went wrong, for programs. One of C(invalid_policy), C(bad_parameter), C(bad_run_id), C(home_in_collection),
    C(home_unwritable).
  returned: failure
  type: str
  sample: invalid_policy
"""

# Implemented by the action plugin of the same name.
