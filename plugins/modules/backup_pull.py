#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_pull
short_description: Bring a set's archive to the controller's vault
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Copies the current archive of M(proven.upkeep.backup_archive), and its manifest, into
    C(backups/vault/<host>/<set>/) under C(upkeep_home), so that it survives its host. What the vault has already is
    not brought again.
  - Over an SSH connection of its own, through SFTP, with the options of the task's connection; with become an SFTP
    server is started through sudo. That connection is OpenSSH's, so its configuration, known hosts, jump hosts, keys
    and agents count. Host keys are checked strictly whatever C(host_key_checking) says; only C(StrictHostKeyChecking)
    among the arguments of ssh changes that.
  - Where SFTP is refused, or the task has another connection or way to become, the file comes piece by piece through
    the task's own connection, which is slower. On the controller itself it is copied.
  - An interrupted pull goes on where it stopped, in the same run and in a later one. Nothing counts that does not have
    the hash that the archive's manifest has.
  - With O(recipients) the archive is encrypted on the host first (M(proven.upkeep.backup_seal)).
  - Then archives go from the vault that its rules do not keep, as M(proven.upkeep.backup_prune) has them. What
    the host has now never goes, nor does one that a drill has proven last. The rules go by when archives came to the
    vault, as a host's clock may have been wrong.
options:
  archive:
    description:
      - The archive on the host. A relative path is below the state folder, as for M(proven.upkeep.backup_archive).
      - For a C(.tar.zst) that is not there, the C(.tar.gz) is taken that is written where libzstd is missing.
    type: path
    required: true
  backup:
    description: The set's name. The archive must be of it.
    type: str
    required: true
  recipients:
    description: Public keys to encrypt to, as for M(proven.upkeep.backup_seal). None means not to.
    type: list
    elements: str
    default: []
  program:
    description: What encrypts.
    type: str
    choices: [auto, age, gpg]
    default: auto
  requires_root:
    description: Skip, and say so, unless the module runs as root.
    type: bool
    default: false
  keep_last:
    description: Keep the newest n archives in the vault. With no rule at all everything is kept.
    type: int
    default: 0
  keep_daily:
    description: Keep the newest archive of each of the last n days that have one.
    type: int
    default: 0
  keep_weekly:
    description: The same for weeks (ISO 8601, from Monday).
    type: int
    default: 0
  keep_monthly:
    description: The same for months.
    type: int
    default: 0
  keep_yearly:
    description: The same for years.
    type: int
    default: 0
  keep_at_least:
    description: The floor. So many archives stay, whatever the rules and O(max_size) say.
    type: int
    default: 1
  max_size:
    description: Bytes that the set's archives may take in the vault. After the rules, the oldest go until that holds.
    type: int
  reverify_bytes:
    description:
      - After each pull that archive of the vault is hashed again that was not for the longest time, and the newest
        where it did not just come; none that has more bytes than this.
      - What no longer has its hash is renamed to C(.damaged), counts no more, and fails the task (C(vault_damaged)).
    type: int
    default: 53687091200
  known:
    description: Internal. SHA-256 of archives that the vault has.
    type: list
    elements: str
    default: []
attributes:
  action:
    support: full
    description: Has a corresponding action plugin. The module of this name says what the host has.
  check_mode:
    support: full
    description: Says what would come, and what would go.
  diff_mode:
    support: full
    description: A line an archive, C(+) comes, C(-) goes, with why.
seealso:
  - module: proven.upkeep.backup_archive
  - module: proven.upkeep.backup_seal
"""

EXAMPLES = r"""
- name: Bring the archive of /etc into the vault, and keep a month of days there
  proven.upkeep.backup_pull:
    archive: archives/etc.tar.zst
    backup: etc
    keep_last: 3
    keep_daily: 31

- name: Encrypted to two keys
  proven.upkeep.backup_pull:
    archive: archives/etc.tar.zst
    backup: etc
    recipients:
      - age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sp2mrk4
      - keys/break-glass.pub
"""

RETURN = r"""
data:
  description: What came of it, as C(docs/schemas/vault.json) describes it; in check mode with C(predicted).
  returned: success
  type: dict
  sample:
    schema: upkeep.vault/1
    backup: etc
    archive: backups/vault/web1/etc/20261123T083403Z.tar.zst
    created: "2026-11-23T08:34:03Z"
    archive_sha256: d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592
    sha256: d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592
    bytes: 524288
    files: 1204
    sealed: null
    pulled_bytes: 544768
    resumed_from: 0
    connections: 1
    way: sftp
    bytes_per_s: 41943040
    unchanged: false
    kept: {archives: 4, bytes: 2097152}
    removed: []
    ahead: []
    looked: {archives: ["2026-11-22T08:34:03Z"], too_large: []}
    status: ok
    reason: null
    started: "2026-11-23T08:34:05Z"
    finished: "2026-11-23T08:34:05Z"
    duration_ms: 412
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(archive_missing), C(archive_incomplete), C(archive_unreadable), C(wrong_backup), C(archive_changed),
      C(vault_mismatch), C(vault_damaged), C(vault_unwritable), C(controller_full), C(host_key_unknown),
      C(host_key_changed), C(auth_failed), C(host_unreachable), C(connection_lost), C(sftp_refused), C(pull_failed),
      and those of M(proven.upkeep.backup_seal).
  returned: failure
  type: str
  sample: host_key_changed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import offered
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "backup": {"type": "str", "required": True},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "program": {"type": "str", "choices": ["auto", "age", "gpg"], "default": "auto"},
            "requires_root": {"type": "bool", "default": False},
            "keep_last": {"type": "int", "default": 0},
            "keep_daily": {"type": "int", "default": 0},
            "keep_weekly": {"type": "int", "default": 0},
            "keep_monthly": {"type": "int", "default": 0},
            "keep_yearly": {"type": "int", "default": 0},
            "keep_at_least": {"type": "int", "default": 1},
            "max_size": {"type": "int"},
            "reverify_bytes": {"type": "int", "default": 53687091200},
            "known": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    given = module.params
    if reason := state.needs_root(given["requires_root"]):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    try:
        found = offered.look(state.under(given["archive"]), given["backup"], given["known"])
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
