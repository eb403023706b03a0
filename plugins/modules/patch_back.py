#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find what a patch run changed on a host, to take it back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_back
short_description: Find what a patch run changed on a host, to take it back
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Looks into the run folders for what a patch run planned and changed on the host, and whether that can still be
    undone.
  - A run that was killed and continued by another counts as one, under either name.
  - Refuses a run that changed nothing, one that was taken back already, and one whose packages a later run has changed
    since, which has to be taken back first.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  patch_run:
    description: The run to undo.
    type: str
    required: true
  host:
    description: Whose, if not the inventory host's.
    type: str
attributes:
  check_mode:
    support: full
    description: Only reads.
seealso:
  - module: proven.upkeep.patch_record
  - module: proven.upkeep.patch_apply
"""

EXAMPLES = r"""
- name: Find what is to be undone
  proven.upkeep.patch_back:
    patch_run: "{{ patch_run }}"
  register: __patch_back
"""

RETURN = r"""
data:
  description: What the way back needs.
  returned: success
  type: dict
  sample: {patch_id: 20261123T200102Z-4711, changed: [{name: openssl, from: 1.0-1, to: 1.0-2}]}
  contains:
    patch_id:
      description: The run that made the plan, under which the host keeps the way back.
      type: str
      returned: always
      sample: 20261123T200102Z-4711
    run_id:
      description: The last run that worked on it.
      type: str
      returned: always
      sample: 20261123T200102Z-4711
    patch:
      description: Its document, as C(docs/schemas/patch.json) describes it.
      type: dict
      returned: always
    plan:
      description: The plan, as C(docs/schemas/plan.json) describes it.
      type: dict
      returned: always
    changed:
      description: What was changed, each with C(name), C(arch), C(from) and C(to); the plan's, where nobody saw it.
      type: list
      elements: dict
      returned: always
error_code:
  description: Why not, for programs. One of C(unknown_run), C(host_not_in_run), C(not_recorded), C(is_rollback),
    C(nothing_changed), C(already_rolled_back), C(changed_since), C(plan_lost), C(bad_run_id), C(home_in_collection).
  returned: failure
  type: str
  sample: changed_since
"""

# Implemented by the action plugin of the same name.
