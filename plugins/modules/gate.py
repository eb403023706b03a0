#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judge a run, and fail where it must."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gate
short_description: Judge a run, and fail where it must
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Prints what was backed up and proven, what is pending, what failed and where to look, and the gates.
  - Fails, whatever the policy, when a targeted host was not observed, a backup or a restore failed or is incomplete,
    a patch level or an audit failed, the run was killed before, or the chain of proofs is not whole.
  - Fails when a gate does not pass, if O(gates_enforce) says so.
  - Writes into C(run.json) how the run ended.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  mode:
    description:
      - V(report) judges by the report that M(proven.upkeep.report) wrote, with its gates.
      - V(run) judges by what this process opened and recorded alone, for a run of a single phase. After drills it
        prints C(Restore OK), or C(Restore FAILED) and why. It fails with C(nothing_restored) where every drill was
        skipped, and with C(nothing_backed_up) where no set was selected for a backup.
    type: str
    choices: [run, report]
    default: report
  gates_enforce:
    description: Whether a gate that does not pass fails the run.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Says that nothing was recorded, and never fails.
seealso:
  - module: proven.upkeep.report
  - module: proven.upkeep.run_open
"""

EXAMPLES = r"""
- name: Say what happened, and fail where it must
  proven.upkeep.gate:
    mode: report
    gates_enforce: false
  run_once: true
"""

RETURN = r"""
verdict:
  description: What the gates come to. One of C(pass), C(fail), C(unknown).
  returned: success
  type: str
  sample: pass
gates:
  description: The gates with what was observed.
  returned: success
  type: list
  elements: dict
  sample: [{id: coverage, observed: 100.0, status: pass}]
error_code:
  description: What went wrong, for programs. One of C(run_failed), C(gates_failed), C(nothing_recorded), C(bad_run_id),
    C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: run_failed
"""

# Implemented by the action plugin of the same name.
