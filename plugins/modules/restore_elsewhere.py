# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: restore_elsewhere
short_description: Prove an archive of the controller on another machine
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Hands an archive that M(proven.upkeep.archive_fetch) brought to the controller over to the machine that the task is
    delegated to, verifies it there with M(proven.upkeep.restore_verify), and removes it again.
  - It goes over the connection as a file, so memory stays bounded. On the controller itself (a local connection) it is
    read where it lies.
  - It is kept meanwhile in Ansible's temporary folder there, which needs that much room (C(ansible_remote_tmp)).
  - An action plugin. Delegate the task to C(localhost), or to a drill host.
options:
  archive:
    description: The archive on the controller.
    type: path
    required: true
  manifest:
    description: Its manifest on the controller, if there is one.
    type: path
  origin:
    description: The archive on the host that it came from, for the result to name.
    type: str
  machine:
    description: The host that it came from, as RV(proven.upkeep.archive_fetch#module:machine) says.
    type: dict
  taken_from:
    description: Where it was taken from instead of the host, as RV(proven.upkeep.vault_take#module:taken_from).
    type: str
  sealed:
    description: How it was encrypted, as RV(proven.upkeep.vault_take#module:sealed).
    type: dict
  opened_with:
    description: What opened it, as RV(proven.upkeep.vault_take#module:opened_with).
    type: str
  place:
    description: The name of the machine that restores, for the result.
    type: str
    default: controller
  level:
    description: As for M(proven.upkeep.restore_verify).
    type: str
    choices: [hash, blocks, extract]
  dest:
    description: As for M(proven.upkeep.restore_verify), on the machine that restores.
    type: path
  paths:
    description: As for M(proven.upkeep.restore_verify).
    type: list
    elements: str
  sample:
    description: As for M(proven.upkeep.restore_verify).
    type: dict
  compare:
    description: As for M(proven.upkeep.restore_verify). V(live) is refused, the live files are elsewhere.
    type: str
    choices: [manifest, live]
  checks:
    description: As for M(proven.upkeep.restore_verify), run on the machine that restores.
    type: list
    elements: raw
  dumps:
    description: As for M(proven.upkeep.restore_verify), loaded on the machine that restores.
    type: list
    elements: dict
  keep:
    description: As for M(proven.upkeep.restore_verify).
    type: bool
attributes:
  check_mode:
    support: full
    description: As M(proven.upkeep.restore_verify), it reads the archive only.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
seealso:
  - module: proven.upkeep.archive_fetch
  - module: proven.upkeep.restore_verify
"""

EXAMPLES = r"""
- name: Bring it
  proven.upkeep.archive_fetch:
    archive: archives/etc.tar.zst
    dest: /srv/upkeep/state/drill/web1
  register: brought

- name: Prove it on a machine that is there for that
  proven.upkeep.restore_elsewhere:
    archive: "{{ brought.archive }}"
    manifest: "{{ brought.manifest }}"
    origin: "{{ brought.origin }}"
    machine: "{{ brought.machine }}"
    place: drill1
    level: extract
    dest: restore_test/web1-etc
  delegate_to: drill1
"""

RETURN = r"""
data:
  description:
    - As RV(proven.upkeep.restore_verify#module:data). C(archive) is the one on the host that it came from,
      C(restored_on) names the machine that restored, C(restored_from) the one that it came from.
  returned: when the test was made
  type: dict
  sample: {}
error_code:
  description: As RV(proven.upkeep.restore_verify#module:error_code).
  returned: failure
  type: str
  sample: archive_damaged
"""

# Implemented by the action plugin of the same name.
