#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a phase saw on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: record
short_description: Record what a phase saw on a host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Writes an observation under C(runs/<run_id>/hosts/) from the registered result of a task, whatever became of it, so
    that an unreachable host or a module that died is seen as such.
  - Of a result only its C(data), its message and its error code are kept, never its invocation or output.
  - For the phase V(backup) it also advances C(last_success.json) of each set that was backed up completely; for
    V(restore_test) it writes C(last_restore.json) and appends a proof to the chain in C(backups/proofs/). The evidence
    of the controller's own set C(workflows) is in C(backups/), that of any other set in C(backups/hosts/<host>/<set>/).
  - A set whose evidence cannot be written has failed, with the reason C(evidence_unwritten).
  - A failure that was recorded does not fail the task, since M(proven.upkeep.gate) fails the run for it. Where this
    process opened no run, nothing would, so the task fails.
  - Prints one line for each set.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  phase:
    description: The phase, such as V(backup), V(restore_test), V(patch_level), V(audit).
    type: str
    required: true
  result:
    description:
      - The registered result of the phase's task, of a loop too; or C(ansible_failed_result) in a rescue.
      - Nothing, or anything else, is recorded as unknown.
    type: raw
  host:
    description: Whose observation it is, if not the inventory host's; V(localhost) for the controller's own set.
    type: str
  name:
    description:
      - Tells recordings of the same host and phase apart. A later recording of the same name replaces what an earlier
        one said.
      - Names the set of a result that does not say it itself.
    type: str
  sets:
    description: >-
      The sets that were drilled, each with C(name) and, in seconds, C(rpo_target) and C(rto_target), for results that
      are not of a loop over them.
    type: list
    elements: dict
    default: []
  pruned:
    description:
      - For the phase V(backup), the registered result of M(proven.upkeep.backup_prune), of a loop over sets. It goes
        into the sets' data as C(pruned).
      - Where it failed, the set is incomplete, with the reason C(retention_failed); its C(last_success.json) advances.
    type: raw
  proof_signing_key:
    description:
      - For the phase V(restore_test), an SSH private key on the controller, mode 0600, relative to C(upkeep_home). It
        signs each new proof (C(ssh-keygen -Y sign -n upkeep-proof)), into C(.sig) files beside its record and its text.
      - By default the variable C(proof_signing_key).
      - An encrypted key signs through an agent, reached by E(SSH_AUTH_SOCK). Nothing asks for a passphrase.
      - A proof that cannot be signed is written unsigned, and its set has failed with the reason C(proof_unsigned).
    type: str
  if_missing:
    description:
      - For a rescue. Record only if this very process has not recorded a failure of this host, phase and name already,
        as the last thing that it said of them.
      - What another process of the run recorded does not count, nor does an earlier success.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Records nothing; prints the line, and fails where what was seen is a failure.
seealso:
  - module: proven.upkeep.run_open
  - module: proven.upkeep.audit_patch_level
  - module: proven.upkeep.report
"""

EXAMPLES = r"""
- name: Collect the patch level
  proven.upkeep.patch_level:
  register: patch_level_result

- name: Record it
  proven.upkeep.record:
    phase: patch_level
    result: "{{ patch_level_result }}"

- name: Record in a rescue what went wrong
  proven.upkeep.record:
    phase: patch_level
    result: "{{ ansible_failed_result }}"
    if_missing: true
"""

RETURN = r"""
recorded:
  description: Whether an observation was written.
  returned: success
  type: bool
  sample: true
status:
  description: What the phase came to. One of C(ok), C(incomplete), C(failed), C(unknown), C(skipped).
  returned: always
  type: str
  sample: ok
reason:
  description: Why, as C(code) and text, where the status is not C(ok).
  returned: always
  type: str
  sample: "unreachable: ssh: connect to host web1 port 22: Connection refused"
file:
  description: The observation's file.
  returned: when recorded
  type: str
  sample: /srv/upkeep/runs/20261123T083403Z-4711/hosts/web1/patch_level.json
evidence:
  description: The files of evidence that were written besides.
  returned: when recorded
  type: list
  elements: str
  sample: [/srv/upkeep/backups/last_success.json]
error_code:
  description: What went wrong, for programs. One of C(bad_phase), C(bad_run_id), C(check_failed),
    C(run_not_opened), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: home_unwritable
"""

# Implemented by the action plugin of the same name.
