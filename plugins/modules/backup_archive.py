#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_archive
short_description: Back up paths into one archive with a manifest
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Writes a standard tar (POSIX pax), compressed in independent blocks, with a manifest that has a hash and all
    metadata of every entry. The manifest stands in the archive as its last entry, and beside it as a file of its own.
  - Nothing is written when nothing changed since the last archive, which is decided by inode, change time and size of
    every path, and by hashing where there is doubt. An edit that keeps size and modification time is noticed.
  - The archive takes the place of the last one only when it is written, synced to disk and read back. After a failure,
    or when the run is killed, the last archive and its manifest are as they were.
  - The same tree gives the same bytes, for the same compressor library and level.
notes:
  - Kept are names, types, contents, holes, links, owners, modes, modification times, extended attributes, ACLs and
    capabilities. Not kept are the flags of C(chattr) (an immutable file comes back without its flag), project quotas,
    times of access, change and birth, and what sockets are bound to.
  - The part of a modification time below a second is in the manifest. M(proven.upkeep.backup_restore) brings it back;
    other programs that unpack the tar see whole seconds.
  - A user without root's powers is not even shown the attributes named V(trusted.*); that user's archives lack them.
options:
  name:
    description: Name of the backup set, as reports and proofs call it.
    type: str
    required: true
  paths:
    description:
      - What to back up. Absolute paths, or paths relative to O(root).
      - Archive names have no leading slash, V(/etc/passwd) becomes V(etc/passwd).
      - A symbolic link that is named here is stored as a link.
      - May be empty where there are O(dumps).
    type: list
    elements: str
    required: true
  root:
    description: Folder that O(paths) and the names in the archive are relative to. Without it that is V(/).
    type: path
  dest:
    description:
      - The archive. Its folder is created (mode 0700) where it is missing.
      - A relative path is below the state folder, V(/var/lib/upkeep) for root and V(~/.local/state/upkeep) else.
      - It must end in V(.tar.gz), V(.tgz), V(.tar.zst), V(.tzst) or V(.tar).
      - When something could not be stored faithfully, the archive is published beside it, with V(.incomplete) before
        the suffix, and does not replace the last complete one. The next complete run removes it.
      - Where it is the archive of a backup with another O(name), nothing is written, unless O(force) is set.
    type: path
    required: true
  exclude:
    description:
      - Shell globs over the archive name, where V(*) also crosses V(/). A pattern without V(/) also matches a base name
        anywhere, such as V(__pycache__) or V(*.pyc). What is below an excluded folder is excluded with it.
      - Folders that hold a file V(.upkeep-evidence) or V(.upkeep-restore), the state folder, O(dest) and what lies
        beside it for this module are never archived. Such a file only counts where root or the user of this run owns
        it; the folders left out for one are named in the warnings, and one that O(paths) names is an error.
    type: list
    elements: str
    default: []
  compression:
    description:
      - V(auto) follows the suffix of O(dest), and falls back from zst to gz (with the suffix V(.tar.gz)) where
        C(libzstd.so.1) is missing.
    type: str
    choices: [auto, zst, gz, none]
    default: auto
  level:
    description: Compression level, 0 to 9 for gz (default 6), 1 to 19 for zst (default 3).
    type: int
  threads:
    description: Threads that compress. By default as many as there are usable CPUs, up to 16.
    type: int
  one_file_system:
    description: Do not enter other file systems below a path. What was not entered is named in the warnings.
    type: bool
    default: false
  xattrs:
    description: Store extended attributes, which includes POSIX ACLs, file capabilities and SELinux labels.
    type: bool
    default: true
  sparse:
    description: Store sparse files as such. busybox and 7-Zip do not understand that.
    type: bool
    default: true
  on_changed:
    description:
      - What to do with a file that changes while it is read.
      - V(retry) tries three times and marks it then, V(mark) marks it at once (the backup is then incomplete),
        V(fail) fails.
    type: str
    choices: [retry, mark, fail]
    default: retry
  on_unreadable:
    description: What to do with what cannot be read. V(mark) lists it, and the backup is incomplete.
    type: str
    choices: [fail, mark]
    default: fail
  force:
    description:
      - Write a new archive even when nothing changed, or when O(dest) holds the archive of another backup.
    type: bool
    default: false
  require_free:
    description: Refuse to start when the file system of O(dest) has fewer bytes free than this.
    type: int
    default: 0
  history:
    description:
      - Keep the archive that is replaced, with its manifest, in the folder C(<dest without suffix>.history), under the
        time it was created. Only a complete and undamaged archive of this O(name) is kept.
      - It is a second name (hard link) of the archive before that is replaced, so nothing is copied. Where that cannot
        be, the backup fails and nothing is replaced.
      - M(proven.upkeep.backup_prune) removes what is no longer wanted.
    type: bool
    default: false
  snapshot:
    description:
      - Read from a snapshot of the file systems that hold O(paths), so that all files are of one moment. Names in the
        archive stay as they are.
      - V(auto) takes what each file system offers, and fails where that is nothing.
      - File systems and subvolumes below a path get a snapshot each, one after the other; those that have none are read
        live, and named in the warnings.
      - Snapshots are removed whatever happens; those of a killed run are removed by the next one of this O(name). Needs
        root. Check mode takes none.
    type: str
    choices: [none, auto, btrfs, lvm, zfs]
    default: none
  snapshot_size:
    description: The room for what changes meanwhile, for an LVM snapshot of a thick volume, such as V(2G).
    type: str
  dumps:
    description:
      - Databases to dump before the files are read. They are in the archive below V(.upkeep-dumps/), with a list of
        what they hold, V(dumps.json).
      - Each has C(name) and C(engine) (V(postgresql), V(mysql), V(sqlite), V(redis) or V(command)), and may have
        C(databases), C(path), C(argv), C(load_argv), C(host), C(port), C(socket), C(user), C(secret) (a name in
        O(secrets)), C(run_as), C(options), C(timeout) in seconds, C(min_size), C(trailer) and C(load_test). The role
        C(proven.upkeep.backup) says what each is for.
      - Rows are counted in the very state that is dumped, for M(proven.upkeep.restore_verify) to compare with.
      - A dump that fails fails the backup, and nothing is replaced.
      - With dumps every run writes a new archive, as a database does not say whether it changed.
      - On the way they lie in the state folder, mode 0700, and are removed when the archive is written or the run
        failed; what a killed run left is removed by the next one.
    type: list
    elements: dict
    default: []
  secrets:
    description: The secrets that O(dumps) name, by name.
    type: dict
    default: {}
  requires_root:
    description: Skip, and say so, unless it runs as root.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Predicts whether a new archive would be written, and touches no file.
  diff_mode:
    support: full
    description: Lists added, changed and removed paths against the last archive's manifest, a thousand at most.
"""

EXAMPLES = r"""
- name: Back up the configuration of the host
  proven.upkeep.backup_archive:
    name: etc
    paths:
      - /etc
      - /usr/local/etc
    dest: /var/backups/upkeep/etc.tar.zst

- name: Back up a project by names relative to it
  proven.upkeep.backup_archive:
    name: workflows
    root: /srv/operations
    paths:
      - playbooks
      - roles
    exclude:
      - __pycache__
      - "*.retry"
    dest: /srv/operations/backups/workflows_backup.tar.gz
    require_free: 1073741824

- name: Back up a shop with its databases
  proven.upkeep.backup_archive:
    name: shop
    paths: [/srv/shop]
    dest: /var/backups/upkeep/shop.tar.zst
    dumps:
      - name: orders
        engine: postgresql
      - name: web
        engine: mysql
        user: backup
        secret: web_db
    secrets:
      web_db: "{{ vaulted_password }}"

- name: Keep what was there before, too
  proven.upkeep.backup_archive:
    name: etc
    paths: [/etc]
    dest: /var/backups/upkeep/etc.tar.zst
    history: true
"""

RETURN = r"""
data:
  description:
    - The backup as C(docs/schemas/backup.json) describes it, without C(project) and C(host).
    - In check mode C(predicted) is true, and what only a written archive has is null.
    - C(history) says what the history holds, where there is one. It lists the newest 100.
    - C(snapshot) says of which file systems snapshots were read, where there were any.
    - C(dumps) lists the dumps in the archive, where there are any, with their tables and rows.
  returned: success
  type: dict
  sample:
    schema: upkeep.backup/1
    backup: etc
    archive: /var/backups/upkeep/etc.tar.zst
    manifest: /var/backups/upkeep/etc.tar.zst.manifest.jsonl.gz
    sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    bytes: 524288
    files: 1204
    entries: 1501
    input_bytes: 2097152
    compression: zst
    created: "2026-11-23T08:34:03Z"
    confirmed_at: "2026-11-23T08:34:03Z"
    duration_ms: 210
    complete: true
    unchanged: false
    changed_during_backup: []
    unreadable: []
    vanished: []
    excluded: 3
    sockets: []
    warnings: []
    history:
      archives: 1
      bytes: 520192
      newest:
        - created: "2026-11-22T08:34:01Z"
          archive: /var/backups/upkeep/etc.history/20261122T083401Z.tar.zst
          sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
          bytes: 520192
          files: 1203
    tool:
      collection: 0.1.0
      python: 3.11.2
      compressor: libzstd 1.5.4
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_parameter), C(path_missing), C(nothing_to_back_up), C(unreadable), C(changed_during_backup),
      C(no_space), C(dest_unwritable), C(dest_locked), C(dest_not_a_file), C(dest_of_another_set),
      C(history_unwritable), C(history_unreadable), C(compression_unavailable), C(snapshot_unavailable),
      C(snapshot_failed), C(snapshot_overflowed), C(io_error), C(secret_missing), C(dump_failed), C(dumps_locked).
  returned: failure
  type: str
  sample: no_space
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import backup
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "str", "required": True},
            "root": {"type": "path"},
            "dest": {"type": "path", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "compression": {"type": "str", "choices": ["auto", "zst", "gz", "none"], "default": "auto"},
            "level": {"type": "int"},
            "threads": {"type": "int"},
            "one_file_system": {"type": "bool", "default": False},
            "xattrs": {"type": "bool", "default": True},
            "sparse": {"type": "bool", "default": True},
            "on_changed": {"type": "str", "choices": ["retry", "mark", "fail"], "default": "retry"},
            "on_unreadable": {"type": "str", "choices": ["fail", "mark"], "default": "fail"},
            "force": {"type": "bool", "default": False},
            "require_free": {"type": "int", "default": 0},
            "history": {"type": "bool", "default": False},
            "snapshot": {"type": "str", "choices": ["none", "auto", "btrfs", "lvm", "zfs"], "default": "none"},
            "snapshot_size": {"type": "str"},
            "dumps": {"type": "list", "elements": "dict", "default": []},
            "secrets": {"type": "dict", "no_log": True, "default": {}},
            "requires_root": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if reason := state.needs_root(module.params.pop("requires_root")):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    module.params["dest"] = state.under(module.params["dest"])
    try:
        result = backup.run(backup.Request(**module.params), check=module.check_mode, diff=module._diff)
    except UpkeepError as error:
        module.fail_json(**error.result())
    for warning in result["data"]["warnings"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
