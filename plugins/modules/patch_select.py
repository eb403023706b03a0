#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which pending updates of a host its policy approves, and why."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_select
short_description: Which pending updates of a host its policy approves
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - By C(patch_mode), C(patch_list), C(patch_rules) and C(patch_exceptions). What the package manager withholds is left
    out with its detail.
  - How severe an update is, the package manager says, else the advisory index under C(upkeep_home). What is known to be
    exploited is critical, whoever says otherwise. When it was published, its repository says, else its advisory, else
    the first recorded run that saw it pending.
  - Distributions that do not mark security updates (Alpine, Arch) get theirs by the advisory index. Without one,
    C(patch_mode=security) selects nothing there, and RV(data.notes) says so.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  level:
    description: The C(data) that M(proven.upkeep.patch_level) returned.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: It only looks.
seealso:
  - module: proven.upkeep.patch_level
"""

EXAMPLES = r"""
- name: Select what policy approves
  proven.upkeep.patch_select:
    level: "{{ level.data }}"
  register: selected
"""

RETURN = r"""
data:
  description: What was found.
  returned: success
  type: dict
  contains:
    wanted:
      description: What to install. The version is the one that the package manager offers.
      type: list
      elements: dict
      returned: success
      sample:
        - {name: openssl, arch: amd64, from: 3.0.14-1, to: 3.0.15-1, security: true, severity: high,
           severity_source: debian, why: "security update DSA-5810-1, high (debian), rule 'security at once'"}
    left_out:
      description:
        - What not, and why. C(firm) is set on what a person left out (an exception, a rule that keeps back, another
          version in C(patch_list)); it does not come along either where something wanted needs it.
      type: list
      elements: dict
      returned: success
      sample: [{name: vim, arch: amd64, to: "9.1", firm: false, why: "no security update (patch_mode: security)"}]
    notes:
      description: Sentences for the policy's owner, such as on an exception that has ended.
      type: list
      elements: str
      returned: success
      sample: ["the exception of Ann ended on 2026-10-31 (breaks the ERP): erp-core not left out any more"]
    mode:
      description: The mode.
      type: str
      returned: success
      sample: security
    policy_sha256:
      description: The hash of what in the policy decides a plan.
      type: str
      returned: success
    started:
      description: When it began (UTC).
      type: str
      returned: success
    finished:
      description: When it ended (UTC).
      type: str
      returned: success
    duration_ms:
      description: How long it took.
      type: int
      returned: success
error_code:
  description: >-
    What went wrong, for programs. One of C(invalid_policy), C(bad_parameter), C(bad_run_id), C(home_in_collection),
    C(home_unwritable).
  returned: failure
  type: str
  sample: invalid_policy
"""

# Implemented by the action plugin of the same name.
