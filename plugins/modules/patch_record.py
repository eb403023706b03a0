#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a patch run, or its rollback, came to on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_record
short_description: Record what a patch run, or its rollback, came to on a host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Composes the document of a host's patch run (C(docs/schemas/patch.json)) from what its steps registered, decides the
    outcome, and writes it as an observation of the phase C(patch), with the plan and the package manager's log beside
    it, in C(runs/<run_id>/hosts/<host>/patch/).
  - Made for an C(always) section, where a step that did not run has no result. A host that was lost in the middle is
    recorded as such (V(needs_attention)), and what the next run will do is said.
  - Prints one line for the host, and the next step where it did not go as it should. For a plan, the plan.
  - As with M(proven.upkeep.record), a failure that was recorded does not fail the task, since M(proven.upkeep.gate)
    fails the run for it.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  results:
    description:
      - The registered result of each step that ran, by the step's name; null or absent for one that did not run.
      - Preflight has C(admit), C(begin), C(level), C(preflight), a rollback C(back), too. Plan has C(select), C(plan).
      - Protect has C(protected), C(backup), C(protect), C(drain). Apply has C(apply). Restart has C(restart) and
        C(reboot).
      - Verify has C(level_after), C(health), C(verify). Rollback has C(back_apply), C(back_restart), C(back_reboot),
        C(back_level), C(back_health), C(back_verify). Beside the states there are C(undrain) and C(end).
      - C(soak) alone adds what a look at the host's health after the soak time found to what this run recorded of it.
    type: dict
    required: true
  mode:
    description: What the run was to do. V(report) ends with the plan.
    type: str
    choices: [patch, report, rollback]
    default: patch
  failed:
    description: C(ansible_failed_result) of a task that is none of the steps, such as one of a hook.
    type: raw
  failed_step:
    description: >-
      The step that O(failed) counts as; by default the one after the last that ran, where no step went wrong by its
      own result.
    type: str
  patch_id:
    description: The run that made the plan, where no C(begin) says it; by default this run.
    type: str
  ring:
    description: The ring that the host is in, where no C(admit) says it.
    type: str
  rollback_of:
    description: The run that was to be undone, in a rollback.
    type: str
  drained:
    description: Whether the host was taken out of service.
    type: bool
    default: false
  if_missing:
    description: Record only if this process has not recorded a failure of this host's patch run already.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Records nothing; prints the plan and the line, and fails where what was seen is a failure.
seealso:
  - module: proven.upkeep.record
  - module: proven.upkeep.patch_story
  - module: proven.upkeep.patch_back
"""

EXAMPLES = r"""
- name: Record what came of it
  proven.upkeep.patch_record:
    mode: "{{ 'report' if patch_mode == 'report' else 'patch' }}"
    results:
      admit: "{{ __patch_admit | default(none) }}"
      begin: "{{ __patch_begin | default(none) }}"
      plan: "{{ __patch_plan | default(none) }}"
      apply: "{{ __patch_apply | default(none) }}"
      verify: "{{ __patch_verify | default(none) }}"
    failed: "{{ ansible_failed_result | default({}) }}"
"""

RETURN = r"""
recorded:
  description: Whether an observation was written.
  returned: success
  type: bool
  sample: true
outcome:
  description: One of C(patched), C(nothing_to_do), C(planned), C(rolled_back), C(refused), C(failed),
    C(needs_attention).
  returned: always
  type: str
  sample: patched
status:
  description: The observation's status. One of C(ok), C(incomplete), C(failed), C(unknown).
  returned: always
  type: str
  sample: ok
reason:
  description: Why, as C(code) and text, where the status is not C(ok).
  returned: always
  type: str
  sample: "port_closed: port 443 was listening before and is not"
patch:
  description: The document as C(docs/schemas/patch.json) describes it.
  returned: always
  type: dict
  sample: {schema: upkeep.patch/1, host: web1, outcome: patched}
file:
  description: The observation's file.
  returned: when recorded
  type: str
  sample: /srv/upkeep/runs/20261123T083403Z-4711/hosts/web1/patch.json
evidence:
  description: The plan and the logs that were written besides.
  returned: when recorded
  type: list
  elements: str
  sample: [/srv/upkeep/runs/20261123T083403Z-4711/hosts/web1/patch/plan.json]
error_code:
  description: What went wrong, for programs. One of C(bad_results), C(check_failed), C(bad_run_id), C(run_not_opened),
    C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: bad_results
"""

# Implemented by the action plugin of the same name.
