#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: disaster_report
short_description: Write what came of a disaster drill
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Puts the results of M(proven.upkeep.disaster_restore) together, and writes them to C(backups/disaster_drills/) as
    JSON
    and as a text for an auditor.
  - An action plugin that runs on the controller.
extends_documentation_fragment:
  - proven.upkeep.controller_action
attributes:
  check_mode:
    support: full
    description: Writes nothing.
options:
  host:
    description: The lost host.
    type: str
    required: true
  results:
    description: The results of the loop over the sets.
    type: raw
    required: true
  started:
    description: When the drill began, as RV(proven.upkeep.disaster_plan#module:started).
    type: str
    required: true
  from:
    description: V(vault), or the name of a copy.
    type: str
    required: true
  at:
    description: The time that was asked for.
    type: str
  rebuild:
    description: Whether the lost host itself was rebuilt.
    type: bool
    default: false
  load:
    description: Whether dumps were to be loaded.
    type: bool
    default: true
  dry:
    description: Nothing was done; nothing is written.
    type: bool
    default: false
  machine:
    description: The drill host, with C(nodename) and C(machine_id).
    type: dict
    default: {}
  secrets_used:
    description: The names of the secrets that it took.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write it down
  proven.upkeep.disaster_report:
    host: web1
    from: offsite
    started: "{{ plan.started }}"
    results: "{{ rebuilt.results }}"
"""

RETURN = r"""
data:
  description: The drill as C(docs/schemas/disaster_drill.json) describes it.
  returned: success
  type: dict
  sample: {schema: upkeep.disaster_drill/1, host: web1, drill_host: drill1, status: ok}
file:
  description: The document.
  returned: when it was written
  type: str
  sample: /srv/upkeep/backups/disaster_drills/20261123T083403Z-web1-on-drill1.json
"""

# Implemented by the action plugin of the same name.
