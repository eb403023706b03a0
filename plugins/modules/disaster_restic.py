#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: disaster_restic
short_description: Rebuild a set of a lost host on this one from its restic repository
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Restores the snapshot of the lost host's set on this host with M(proven.upkeep.restore_restic), whatever is there,
    and restic verifies the contents.
  - Then it loads the snapshot's dumps into the database servers of this host, and runs the set's checks.
  - Each step is timed. The first that fails is the last.
  - An action plugin. It never connects to the lost host.
attributes:
  action:
    support: full
    description: Has a corresponding action plugin.
  check_mode:
    support: full
    description: Says which snapshot there is, and how much it holds. Nothing is restored.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
options:
  host:
    description: The name that the lost host's snapshots bear.
    type: str
    required: true
  backup:
    description: The backup set.
    type: str
    required: true
  restic:
    description: How the repository is reached, as P(proven.upkeep.restic_of#filter) returns it.
    type: dict
    required: true
  at:
    description: Which snapshot, by time, as for M(proven.upkeep.restore_restic).
    type: str
    default: latest
  dest:
    description: The folder to restore into. By default everything goes to its place.
    type: path
  dumps:
    description: The set's databases, as C(backup_sets[].dumps). Without any none is loaded.
    type: list
    elements: dict
    default: []
  load:
    description: Whether the dumps are loaded, over what is there.
    type: bool
    default: true
  load_as:
    description: As for M(proven.upkeep.disaster_restore).
    type: str
    choices: [administrator, dumps]
    default: administrator
  checks:
    description: Commands to run where it was restored, as for M(proven.upkeep.restore_checks).
    type: list
    elements: raw
    default: []
  secrets:
    description: Secrets by name, for the repository and for the databases.
    type: dict
    default: {}
seealso:
  - module: proven.upkeep.disaster_plan
  - module: proven.upkeep.disaster_restore
  - module: proven.upkeep.disaster_report
"""

EXAMPLES = r"""
- name: Rebuild the shop
  proven.upkeep.disaster_restic:
    host: web1
    backup: shop
    restic: "{{ {'name': 'shop'} | proven.upkeep.restic_of(backup_restic) }}"
    dest: /srv/disaster/web1
    secrets: "{{ backup_secrets }}"
"""

RETURN = r"""
data:
  description: What came of the set, one of C(sets) of C(docs/schemas/disaster_drill.json).
  returned: always
  type: dict
  sample: {backup: shop, status: ok, entries: 1204, databases: [], steps: []}
error_code:
  description:
    - What went wrong, for programs; as for M(proven.upkeep.restore_restic), or C(drill_host_unreachable).
  returned: failure
  type: str
  sample: restore_differs
"""

# Implemented by the action plugin of the same name.
