#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: vault_take
short_description: Take an archive out of the vault or a copy
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Brings an archive of a set and its manifest from the vault, or from one of C(backup_copies), into a folder of the
    controller, and holds it against the hash that it was stored with.
  - What is encrypted is opened there with the escrowed private key, so that the folder has what the host wrote.
    Remove it
    when it has served.
  - Neither the host nor any evidence of it is needed. A copy alone is enough.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
attributes:
  check_mode:
    support: full
    description: Says whether there is such an archive, and brings nothing.
options:
  backup:
    description: The backup set.
    type: str
    required: true
  host:
    description: Whose set it is, by the inventory name that it had, if not this inventory host's.
    type: str
  at:
    description:
      - Which archive, by time (UTC). The newest one that was created until then, such as V(2026-11-23T08:34:03Z), or
        until
        the end of a day, such as V(2026-11-23). By default the newest of all.
    type: str
  from:
    description: V(vault), or the name of one of O(copies).
    type: str
    default: vault
  dest:
    description: The folder on the controller, made (0700) where it is missing.
    type: path
    required: true
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
    description: Secrets by name; of these the one that the copy's C(secret) names.
    type: dict
    default: {}
seealso:
  - module: proven.upkeep.backup_copy
  - module: proven.upkeep.restore_elsewhere
"""

EXAMPLES = r"""
- name: Take what the other site has of a host that is gone
  proven.upkeep.vault_take:
    host: web1
    backup: etc
    from: offsite
    at: "2026-11-20"
    dest: "{{ lookup('proven.upkeep.home') }}/state/drill/web1"
    copies: "{{ backup_copies }}"
    secrets: "{{ backup_secrets }}"
    identity: "{{ backup_identity }}"
"""

RETURN = r"""
archive:
  description: The archive on the controller, opened.
  returned: success
  type: str
  sample: /srv/upkeep/state/drill/web1/20261123T083403Z.tar.zst
manifest:
  description: The manifest beside it; null where there is none.
  returned: success
  type: str
  sample: /srv/upkeep/state/drill/web1/20261123T083403Z.tar.zst.manifest.jsonl.gz
origin:
  description: Where it was taken from.
  returned: success
  type: str
  sample: backup.example.org:/srv/upkeep/web1/etc/20261123T083403Z.tar.zst.age
machine:
  description: The host that it was made on, as it named itself.
  returned: success
  type: dict
  sample: {nodename: web1, machine_id: 0123456789abcdef0123456789abcdef}
taken_from:
  description: The vault, or the copy's name.
  returned: success
  type: str
  sample: offsite
known_by:
  description:
    - What on the controller knows an archive that was taken from a copy as the host wrote it, V(vault) or V(evidence).
      Null where nothing does. Then it is whole, but its origin is not proven. Null also where O(from=vault).
  returned: success
  type: str
  sample: vault
opened_with:
  description: The public key of what opened it; null where it was not encrypted.
  returned: success
  type: str
  sample: age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
sealed:
  description: How it was encrypted, and to whom; null where it was not.
  returned: success
  type: dict
  sample: {program: age, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}
entry:
  description: What the vault knows of it (C(upkeep.vaulted/1)).
  returned: success
  type: dict
  sample: {schema: upkeep.vaulted/1, host: web1, backup: etc, created: "2026-11-23T08:34:03Z"}
error_code:
  description:
    - What went wrong, for programs. One of C(vault_missing) (the message says what there is), C(copy_unknown),
      C(copy_missing), C(copy_damaged), C(copy_foreign) (not the archive that the vault or the evidence knows of that
      time), C(copy_failed), C(identity_missing), C(identity_exposed), C(sealed_unopened),
      C(secret_missing), C(controller_full), C(take_failed), and those of an SFTP session as for
      M(proven.upkeep.backup_copy).
  returned: failure
  type: str
  sample: vault_missing
"""

# Implemented by the action plugin of the same name.
