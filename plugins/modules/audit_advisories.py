#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Audit the recorded patch level of a host by the advisory index."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit_advisories
short_description: Audit the recorded patch level of a host by the advisory index
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Says which vulnerabilities the installed packages of a host have, by the advisory index under C(upkeep_home), which
    of them an update fixes, and by what command.
  - Of the kernel, the running one counts; in a container none does, for its kernel is its host's.
  - Each finding says since when it is open, carried from the host's previous audit, and when it is due.
  - Where no index was ever built the engine is skipped. Where a source or the host's package lists are
    stale, or the release is not covered or has ended, the engine is unknown, never clean.
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
  - module: proven.upkeep.audit_patch_level
  - module: proven.upkeep.patch_level
  - module: proven.upkeep.record
"""

EXAMPLES = r"""
- name: Audit the recorded patch level by the advisory index
  proven.upkeep.audit_advisories:
  register: advisories_result

- name: Record the audit
  proven.upkeep.record:
    phase: audit
    result: "{{ advisories_result }}"
"""

RETURN = r"""
data:
  description: The engine with its health, and the findings.
  returned: success
  type: dict
  contains:
    engines:
      description: One engine, C(advisories), with C(status) (C(ok), C(unknown) or C(skipped)), C(reason), the number of
        C(findings), the state of the C(index) and its sources, and what is C(deferred) by the vendor, with the reason.
      type: list
      elements: dict
      sample: [{name: advisories, status: ok, reason: null, findings: 2}]
    findings:
      description: What was found, each with C(fingerprint), C(check_id) (the advisory that fixes it, or the CVE
        that nothing fixes yet), C(subject) (the source package), C(severity), C(first_seen), C(due), C(sla_state) and
        C(evidence) with the CVEs and the command that fixes them.
      type: list
      elements: dict
      sample: [{check_id: DSA-5800-1, subject: openssl, title: "openssl: DSA-5800-1 fixes CVE-2026-1"}]
error_code:
  description: What went wrong, for programs. One of C(bad_run_id), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: home_unwritable
"""

# Implemented by the action plugin of the same name.
