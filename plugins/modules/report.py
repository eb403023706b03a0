#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the report and its documents."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: report
short_description: Write the report and its documents
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - First marks runs that were killed as interrupted, and what they did not record as unknown.
  - Then builds C(reports/report.json) from the run folder and the evidence, renders C(audits/security.md) from it, and
    evaluates the gates. It does not fail by what it reports; M(proven.upkeep.gate) does. The run keeps a copy of its
    report in C(runs/<run_id>/report.json).
  - A phase that this run did not set out to do is told from the last runs that did, set by set, with run id and age.
    A set that was skipped does not count as done.
  - A backup counts as proven when the whole archive was restored and compared, in one drill or in samples in a row
    that are all of its parts.
  - Verifies the chain of proofs; a lost or altered proof is a failure of the run.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
  - proven.upkeep.controller_action.gates
options:
  run_id:
    description: The run to report on. By default the one of this process, else the newest one.
    type: str
  keep_runs:
    description: >-
      How many run folders are kept. One that holds the last thing known of a host, phase and set is kept beyond that.
    type: int
    default: 200
attributes:
  check_mode:
    support: full
    description: Is skipped, since nothing was recorded.
seealso:
  - module: proven.upkeep.gate
  - module: proven.upkeep.run_open
"""

EXAMPLES = r"""
- name: Report
  proven.upkeep.report:
    gates:
      - id: coverage
        query: fleet.coverage_pct
        op: ge
        value: 80
        owner: ops_lead
  run_once: true
"""

RETURN = r"""
run_id:
  description: The run that was reported on.
  returned: success
  type: str
  sample: 20261123T083403Z-4711
files:
  description: What was written, by name.
  returned: success
  type: dict
  sample: {report: /srv/upkeep/reports/report.json, security: /srv/upkeep/audits/security.md}
fleet:
  description: How many hosts were targeted, observed and unreachable, and the coverage in percent.
  returned: success
  type: dict
  sample: {targeted: 2, observed: 1, unreachable: 1, coverage_pct: 50.0}
summary:
  description: Counts over the fleet.
  returned: success
  type: dict
  sample: {backups: 2, proven_backups: 2, unproven_backups: 0}
verdict:
  description: What the gates come to. One of C(pass), C(fail), C(unknown).
  returned: success
  type: str
  sample: unknown
pruned_runs:
  description: The runs whose folders were removed.
  returned: success
  type: list
  elements: str
  sample: []
error_code:
  description: What went wrong, for programs. One of C(nothing_recorded), C(no_such_run), C(bad_gate), C(bad_keep_runs),
    C(jmespath_missing), C(bad_run_id), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: nothing_recorded
"""

# Implemented by the action plugin of the same name.
