#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell the story of a patch run, once, at its end."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_story
short_description: Tell the story of a patch run, once, at its end
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Prints how each host ended and how long each state took, per host and as p50 and p95 over the hosts, and what to do
    next with those that were not patched.
  - Writes C(runs/<run_id>/patch.md), with each host's timeline, changes and files.
  - Writes what was fixed into C(runs/<run_id>/remediation.json) and C(audits/remediation.md), a line for each finding
    that was open before, that the run's changes close, and that the audit after it no longer has; so the audit of the
    run comes first. A rollback adds a line for each that it opened again.
  - Works from what was recorded, also of a run that was killed.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  run_id:
    description: The run, if not this one.
    type: str
attributes:
  check_mode:
    support: full
    description: Does nothing.
seealso:
  - module: proven.upkeep.patch_record
  - module: proven.upkeep.report
"""

EXAMPLES = r"""
- name: Tell what came of it
  proven.upkeep.patch_story:
  run_once: true
"""

RETURN = r"""
run_id:
  description: The run.
  returned: success
  type: str
  sample: 20261123T200102Z-4711
files:
  description: What was written. C(story), and where something was fixed C(fixed) and C(remediation).
  returned: success
  type: dict
  sample: {story: /srv/upkeep/runs/20261123T200102Z-4711/patch.md}
outcomes:
  description: How many hosts there are of each outcome; C(unknown) are those of which nothing was recorded.
  returned: success
  type: dict
  sample: {patched: 3}
states:
  description: Each state, with the number of C(hosts) that came to it, C(p50_ms) and C(p95_ms).
  returned: success
  type: list
  elements: dict
  sample: [{state: apply, hosts: 3, p50_ms: 41000, p95_ms: 52000}]
hosts:
  description: Each host with C(outcome), C(reason), C(took_ms) by state, and C(next), null or C(why) and C(command).
  returned: success
  type: list
  elements: dict
  sample: [{name: web1, outcome: patched, reason: null, took_ms: {apply: 41000}, next: null}]
fixed:
  description: How many findings the run fixed.
  returned: success
  type: int
  sample: 20
error_code:
  description: What went wrong, for programs. One of C(no_such_run), C(bad_run_id), C(home_in_collection),
    C(home_unwritable).
  returned: failure
  type: str
  sample: no_such_run
"""

# Implemented by the action plugin of the same name.
