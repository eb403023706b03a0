#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: disaster_plan
short_description: The sets that a lost host can be rebuilt from
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Lists the sets of a host that the vault or a copy has archives of, with those that the inventory knows.
  - An action plugin that runs on the controller. The lost host is not asked.
extends_documentation_fragment:
  - proven.upkeep.controller_action
attributes:
  check_mode:
    support: full
    description: It only looks.
options:
  host:
    description: The lost host, by the inventory name that it had.
    type: str
    required: true
  sets:
    description: Its sets, as C(backup_sets), where the inventory still has them.
    type: list
    elements: dict
    default: []
  only:
    description: Only these sets, by name; all by default.
    type: list
    elements: str
    default: []
  from:
    description: V(vault), or the name of one of O(copies).
    type: str
    default: vault
  copies:
    description: What there is to take from, as C(backup_copies).
    type: list
    elements: dict
    default: []
  secrets:
    description: Secrets by name; of these the one that the copy's C(secret) names.
    type: dict
    default: {}
  engine:
    description: What backs up the sets that do not say so themselves.
    type: str
    default: archive
  in_place:
    description: The sets that are to go to their own place. A name that is no set's is refused.
    type: list
    elements: str
    default: []
  machine_id:
    description:
      - The machine id of the drill host. Where the lost host's newest archive of a set bears it, too, they are one
        machine, whatever the inventory calls them, and that is refused. restic's snapshots bear none.
    type: str
  rebuild:
    description: That they are one machine is meant.
    type: bool
    default: false
seealso:
  - module: proven.upkeep.disaster_restore
"""

EXAMPLES = r"""
- name: What is there of web1?
  proven.upkeep.disaster_plan:
    host: web1
    from: offsite
    copies: "{{ backup_copies }}"
    secrets: "{{ backup_secrets }}"
  register: plan
"""

RETURN = r"""
sets:
  description: The sets to rebuild from archives, as the inventory has them, or by C(name) alone.
  returned: success
  type: list
  elements: dict
  sample: [{name: etc, paths: [/etc]}]
restic:
  description: The sets of which restic has the backups.
  returned: success
  type: list
  elements: dict
  sample: []
place:
  description: The place that was looked at.
  returned: success
  type: str
  sample: backup.example.org:/srv/upkeep
started:
  description: When the drill began (UTC).
  returned: success
  type: str
  sample: "2026-11-23T08:34:03Z"
error_code:
  description: >-
    What went wrong, for programs; as for M(proven.upkeep.vault_take), or C(drill_on_lost_host), C(bad_parameter).
  returned: failure
  type: str
  sample: vault_missing
"""

# Implemented by the action plugin of the same name.
