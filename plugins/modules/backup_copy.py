#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_copy
short_description: Copy a set's archives from the vault to another SFTP server or a mounted folder
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Brings every archive of a set that the vault has and the copy should have, the newest first, with its manifest. The
    files and their layout are the vault's, encrypted where they are encrypted there.
  - Each file is verified after it was written, and only then gets its name; the index entry that makes an archive
    count is
    written last. An upload that was cut goes on where it stopped, and a line that breaks is tried again.
  - Verified means that C(sha256sum) on the other side said the right hash, where a shell is allowed there and the
    file is
    large; else that every byte was read back. C(verified_by) says which.
  - One archive that was written earlier, the one that was not looked at for the longest time, is hashed again in each
    run.
  - Nothing is removed where anything went wrong, and never the newest archive, nor one that a drill has proven last.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
attributes:
  check_mode:
    support: full
    description: Looks at both places, and says what would be brought and removed.
  diff_mode:
    support: full
    description: Lists the archives that come and go.
options:
  backup:
    description: The backup set.
    type: str
    required: true
  host:
    description: Whose set it is, if not the inventory host's; V(localhost) for the controller's own.
    type: str
  copy:
    description:
      - The copy, as C(backup_copies) describes it.
      - Without C(sftp) its C(path) is a folder of the controller. It must be on a mounted file system of its own,
        neither
        the root's nor the vault's, unless C(require_mount) is false.
      - With C(append_only) nothing over there is renamed, altered or removed, so the account needs no right to. An
        upload
        that was cut cannot be continued or removed then; the next one has a name with a number.
    type: dict
    required: true
  keep:
    description: Which archives the copy keeps, as C(backup_keep); all without any rule.
    type: dict
  verified:
    description: SHA-256 of the archives that drills have proven last; these are not removed.
    type: list
    elements: str
    default: []
  reverify_bytes:
    description: An archive with more bytes than this is not hashed again, since that may need all of it to be read
      back.
    type: int
    default: 53687091200
  sealed_only:
    description:
      - Bring only what is encrypted. What was vaulted before encryption was on stays in the vault; C(left_plain)
        says how many.
      - What of it is in the copy already stays there, by O(keep).
    type: bool
    default: false
  secrets:
    description: Secrets by name; of these the one that the copy's C(secret) names.
    type: dict
    default: {}
seealso:
  - module: proven.upkeep.vault_take
"""

EXAMPLES = r"""
- name: Copy the archives of /etc to another site
  proven.upkeep.backup_copy:
    backup: etc
    copy:
      name: offsite
      sftp: backup.example.org
      user: upkeep
      path: /srv/upkeep
    keep: {daily: 7, monthly: 12}
    verified: "{{ query('proven.upkeep.last_verified', inventory_hostname, 'etc') }}"

- name: And to a disk that is changed every week
  proven.upkeep.backup_copy:
    backup: etc
    copy: {name: disk, path: /mnt/backup}
    keep: {last: 3}
"""

RETURN = r"""
data:
  description:
    - The copy as C(docs/schemas/copy.json) describes it. Lists are newest first.
    - Returned on failure, too.
  returned: always
  type: dict
  sample:
    schema: upkeep.copy/1
    backup: etc
    copy: offsite
    to: upkeep@backup.example.org:/srv/upkeep
    path: web1/etc
    created: "2026-11-23T08:34:03Z"
    archive_sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    bytes: 524288
    verified_by: far_hash
    append_only: false
    unchanged: false
    kept: {archives: 8, bytes: 4194304}
    removed: []
    left_plain: 0
    status: ok
    reason: null
error_code:
  description:
    - What went wrong, for programs. One of C(vault_damaged), C(copy_full), C(copy_unwritable),
      C(copy_not_mounted), C(copy_corrupt) (what was just written reads back differently), C(copy_damaged) (what was
      written earlier does), C(copy_failed), C(secret_missing), C(bad_parameter), C(bad_keep), C(host_key_unknown),
      C(host_key_changed), C(auth_failed), C(host_unreachable), C(sftp_refused), C(connection_lost).
  returned: failure
  type: str
  sample: copy_full
"""

# Implemented by the action plugin of the same name.
