#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audit the recorded patch level of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit_patch_level
short_description: Audit the recorded patch level of a host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Turns the patch level that this run recorded of the host into findings, such as pending security updates, reboots
    due, stale package lists, or a host without a security repository.
  - Where this run did not set out to collect the patch level, the last recorded one is audited, if it is young enough.
  - Where there is none to audit, the engine is unknown, never clean.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  max_age:
    description: Seconds that a patch level of an earlier run may be old.
    type: int
    default: 86400
attributes:
  check_mode:
    support: full
    description: Is skipped, since nothing was recorded.
seealso:
  - module: proven.upkeep.patch_level
  - module: proven.upkeep.record
"""

EXAMPLES = r"""
- name: Audit the recorded patch level
  proven.upkeep.audit_patch_level:
  register: audit_result

- name: Record the audit
  proven.upkeep.record:
    phase: audit
    result: "{{ audit_result }}"
"""

RETURN = r"""
data:
  description: The engines with their health, and the findings.
  returned: success
  type: dict
  contains:
    engines:
      description: One engine, C(patch), with C(status) (C(ok) or C(unknown)), C(reason) and the number of C(findings).
      type: list
      elements: dict
      sample: [{name: patch, status: ok, reason: null, findings: 2}]
    findings:
      description: What was found, each with C(fingerprint), C(check_id), C(subject), C(title), C(severity), C(owner),
        C(evidence).
      type: list
      elements: dict
      sample: [{check_id: reboot_due, subject: host, title: Reboot due}]
error_code:
  description: What went wrong, for programs. One of C(bad_run_id), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: home_unwritable
"""

# Implemented by the action plugin of the same name.
