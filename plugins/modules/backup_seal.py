#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_seal
short_description: Encrypt an archive and its manifest to public keys, before they leave the host
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Encrypts an archive of M(proven.upkeep.backup_archive), and the manifest beside it, which has every file's name,
    into the folder C(<archive>.sealed/). The archive itself stays as it is.
  - Only public keys are needed, so a host never holds what opens its backups. Whoever has one of the private keys can
    open them, with C(age --decrypt -i KEY) or C(gpg --decrypt) alone.
  - The files stream through C(age) or C(gpg) once, are hashed on both sides meanwhile, synced and renamed. What is read
    must be what the manifest says.
  - Nothing is encrypted anew for the same archive and the same recipients.
  - An action plugin hands the keys over, those in files of the controller too; the module of this name does the work.
options:
  archive:
    description:
      - The archive on the host. A relative path is below the state folder, as for M(proven.upkeep.backup_archive).
      - For a C(.tar.zst) that is not there, the C(.tar.gz) is taken that is written where libzstd is missing.
    type: path
    required: true
  recipients:
    description:
      - Public keys, each of which opens it by itself. For age its own (V(age1…)) or an SSH public key
        (V(ssh-ed25519 …), V(ssh-rsa …)). For gpg an armored public key, the path of a file with one on the controller,
        or the fingerprint of one in the keyring of the user who runs Ansible there.
      - A private key is refused, and not repeated in any message.
      - Required for O(state=present).
    type: list
    elements: str
  program:
    description:
      - V(auto) is age, and gpg where the host has no age and O(recipients) has keys for gpg. Keys of the program that
        is not used are left out, with a warning.
    type: str
    choices: [auto, age, gpg]
    default: auto
  state:
    description: V(absent) removes the encrypted files of the archive.
    type: str
    choices: [present, absent]
    default: present
  requires_root:
    description: Skip, and say so, unless the module runs as root.
    type: bool
    default: false
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, which reads keys on the controller.
  check_mode:
    support: full
    description: Says whether something would be encrypted, and touches no file.
  diff_mode:
    support: none
    description: There is nothing to compare; each encryption differs from the last.
"""

EXAMPLES = r"""
- name: Encrypt the archive of /etc to two keys
  proven.upkeep.backup_seal:
    archive: archives/etc.tar.zst
    recipients:
      - age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sp2mrk4
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0EZqvVd5p5pVmBYT0vk0zGdZ0pXcRrDp2mPzq2nqzD break-glass

- name: Remove what was encrypted, once it is in the vault
  proven.upkeep.backup_seal:
    archive: archives/etc.tar.zst
    state: absent
"""

RETURN = r"""
archive:
  description: The encrypted archive on the host.
  returned: success, for O(state=present)
  type: str
  sample: /var/lib/upkeep/archives/etc.tar.zst.sealed/etc.tar.zst.age
manifest:
  description: The encrypted manifest on the host.
  returned: success, for O(state=present)
  type: str
  sample: /var/lib/upkeep/archives/etc.tar.zst.sealed/etc.tar.zst.manifest.jsonl.gz.age
sha256:
  description: Hash of the encrypted archive; null in check mode where it would be written.
  returned: success, for O(state=present)
  type: str
  sample: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
bytes:
  description: Size of the encrypted archive; null in check mode where it would be written.
  returned: success, for O(state=present)
  type: int
  sample: 524488
manifest_sha256:
  description: Hash of the encrypted manifest; null in check mode where it would be written.
  returned: success, for O(state=present)
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
manifest_bytes:
  description: Size of the encrypted manifest; null in check mode where it would be written.
  returned: success, for O(state=present)
  type: int
  sample: 20480
archive_sha256:
  description: Hash of the archive as the backup made it.
  returned: success, for O(state=present)
  type: str
  sample: d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592
files:
  description: How many files the archive has.
  returned: success, for O(state=present)
  type: int
  sample: 1204
program:
  description: What encrypted it, V(age) or V(gpg).
  returned: success, for O(state=present)
  type: str
  sample: age
recipients:
  description: The public keys that it was encrypted to; for gpg their fingerprints.
  returned: success, for O(state=present)
  type: list
  elements: str
  sample: [age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sp2mrk4]
at:
  description: When it was encrypted.
  returned: success, for O(state=present)
  type: str
  sample: "2026-11-23T08:34:05Z"
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_recipient), C(private_key_given), C(encryption_unavailable), C(encryption_failed),
      C(archive_missing), C(archive_damaged), C(dest_locked), C(no_space), C(seal_unwritable).
  returned: failure
  type: str
  sample: encryption_unavailable
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.sealing import seal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "recipients": {"type": "list", "elements": "str"},
            "program": {"type": "str", "choices": ["auto", "age", "gpg"], "default": "auto"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "requires_root": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ["recipients"])],
        supports_check_mode=True,
    )
    given = module.params
    if reason := state.needs_root(given["requires_root"]):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    archive = state.under(given["archive"])
    try:
        if given["state"] == "absent":
            module.exit_json(changed=seal.remove(archive, module.check_mode))
        done = seal.run(seal.Request(archive, given["recipients"], given["program"]), module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    for warning in done["warnings"]:
        module.warn(warning)
    module.exit_json(changed=done["changed"], **done["data"])


if __name__ == "__main__":
    main()
