#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: disaster_restore
short_description: Rebuild a set of a lost host on this one
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Takes the set's archive from the vault or a copy as M(proven.upkeep.vault_take) does, hands it over to this host
    as a
    file, restores it with M(proven.upkeep.backup_restore), whatever is there, and compares every entry with the
    manifest
    once more. A second restore must find nothing to do.
  - Then it loads the archive's dumps into the database servers of this host, and runs the set's checks.
  - Each step is timed. The first that fails is the last.
  - The archive is kept meanwhile in C(state/disaster/) on the controller, and in Ansible's temporary folder of this
    host
    (C(ansible_remote_tmp)); both are removed. One drill at a time is at a set on a drill host; a second one waits a
    minute, and then says who is at it.
  - An action plugin. It never connects to the lost host.
attributes:
  action:
    support: full
    description: Has a corresponding action plugin.
  check_mode:
    support: full
    description: Says which archive there is, and whether the private key for it is there. Nothing is brought.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
options:
  host:
    description: The lost host, by the inventory name that it had.
    type: str
    required: true
  backup:
    description: The backup set.
    type: str
    required: true
  from:
    description: V(vault), or the name of one of O(copies).
    type: str
    default: vault
  at:
    description: Which archive, by time, as for M(proven.upkeep.vault_take).
    type: str
  dest:
    description: The folder to restore into. By default everything goes to its place.
    type: path
  dumps:
    description: The set's databases, as C(backup_sets[].dumps).
    type: list
    elements: dict
    default: []
  load:
    description: Whether the dumps are loaded, over what is there.
    type: bool
    default: true
  load_as:
    description:
      - With V(administrator) the dumps are loaded through the sockets of this machine's servers, as their administrator
        (the user postgres, root of MySQL), since a new server does not know the users of the lost one.
      - With V(dumps) as O(dumps) say, with C(host), C(user) and C(secret).
    type: str
    choices: [administrator, dumps]
    default: administrator
  checks:
    description: Commands to run where it was restored, as for M(proven.upkeep.restore_checks).
    type: list
    elements: raw
    default: []
  identity:
    description: The private key for what is encrypted, a file of mode 0600 on the controller, relative to
      C(upkeep_home).
    type: str
  copies:
    description: What there is to take from, as C(backup_copies).
    type: list
    elements: dict
    default: []
  secrets:
    description: Secrets by name, for the copy and for the databases.
    type: dict
    default: {}
seealso:
  - module: proven.upkeep.disaster_plan
  - module: proven.upkeep.disaster_report
"""

EXAMPLES = r"""
- name: Rebuild the shop
  proven.upkeep.disaster_restore:
    host: web1
    backup: shop
    from: offsite
    dest: /srv/disaster/web1
    copies: "{{ backup_copies }}"
    secrets: "{{ backup_secrets }}"
    identity: "{{ backup_identity }}"
"""

RETURN = r"""
data:
  description: What came of the set, one of C(sets) of C(docs/schemas/disaster_drill.json).
  returned: always
  type: dict
  sample: {backup: shop, status: ok, entries: 1204, databases: [], steps: []}
error_code:
  description:
    - What went wrong, for programs; as for M(proven.upkeep.vault_take), M(proven.upkeep.backup_restore), or one of
      C(restore_differs), C(nothing_restored), C(dump_not_loaded), C(check_failed), C(drill_host_unreachable),
      C(locked).
  returned: failure
  type: str
  sample: restore_differs
"""

# Implemented by the action plugin of the same name.
