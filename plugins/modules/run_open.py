#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open a maintenance run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_open
short_description: Open a maintenance run
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Writes C(runs/<run_id>/run.json) under C(upkeep_home) with the hosts and phases that the run sets out to observe,
    so that what was not observed, or a run that was killed, shows.
  - The phases are narrowed to those that the tags of the run leave. Where none is left, no run is opened, and tags
    that ask for no phase and not for C(report) either are refused.
  - Opening a run that is open already, in the same process or with the same run id in another, adds to it. Each
    opening keeps its process, hosts, phases and limit, so that no process vouches for what another was to do.
  - Neither arguments nor extra variables are written down, since they can hold secrets.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
  - proven.upkeep.controller_action.gates
options:
  phases:
    description: What the run sets out to observe on every host, such as V(backup), V(restore_test), V(patch_level),
      V(audit). To V(backup) come V(vault) and V(copy) where one of the hosts has a set that goes there.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts targeted. By default all hosts of the play, whatever the batch.
    type: list
    elements: str
  project:
    description: The maintained project. By default the variable C(upkeep_project), else E(PROJ), else V(upkeep).
    type: str
attributes:
  check_mode:
    support: full
    description: Checks everything and writes nothing.
seealso:
  - module: proven.upkeep.record
  - module: proven.upkeep.report
  - module: proven.upkeep.gate
"""

EXAMPLES = r"""
- name: Open the run
  proven.upkeep.run_open:
    phases: [backup, restore_test, patch_level, audit]
  run_once: true
"""

RETURN = r"""
run_id:
  description: The run's name, the same in every process of it.
  returned: success
  type: str
  sample: 20261123T083403Z-4711
upkeep_home:
  description: Where evidence lands.
  returned: success
  type: str
  sample: /srv/upkeep
folder:
  description: The run's folder.
  returned: success
  type: str
  sample: /srv/upkeep/runs/20261123T083403Z-4711
phases:
  description: The phases that the tags of the run leave.
  returned: success
  type: list
  elements: str
  sample: [backup, restore_test]
targeted:
  description: The hosts targeted.
  returned: success
  type: list
  elements: str
  sample: [web1, db1]
error_code:
  description: What went wrong, for programs. One of C(no_hosts), C(no_phase), C(bad_gate), C(bad_phase),
    C(bad_run_id), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: bad_gate
"""

# Implemented by the action plugin of the same name.
