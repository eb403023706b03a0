#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: restore_verify
short_description: Prove that an archive can be restored
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Checks an archive of M(proven.upkeep.backup_archive) against its manifest. The archive's own hash, every block, the
    hash of the tar stream, and the header and content of every entry.
  - With O(mode=extract) the archive is also extracted into a scratch folder, every entry there is compared with the
    manifest (content is read again from disk), and commands check what was restored.
  - Damage is a failure that names the entry and the block; what lies in other blocks is verified all the same.
  - A test that verified nothing is a failure. An archive that a backup could not complete is at best C(incomplete).
options:
  archive:
    description:
      - The archive. A relative path is below the state folder, as for M(proven.upkeep.backup_archive).
      - For a C(.tar.zst) that is not there, the C(.tar.gz) is taken that is written where libzstd is missing.
    type: path
    required: true
  at:
    description:
      - Which archive, by time (UTC). The newest one of O(archive) and its history that was created until then.
      - V(latest) is the one at O(archive), V(2026-11-23T08:34:03Z) a time, V(2026-11-23) the end of a day.
      - Where there is none, the error lists what there is.
    type: str
    default: latest
  manifest:
    description:
      - The archive's manifest. By default the one beside it.
      - When there is none, the copy inside the archive is used, and the result says so.
    type: path
  level:
    description:
      - How deep the test goes. By default as deep as O(mode) says; given, it decides that too.
      - V(hash) compares the hash of the archive file with the manifest. It reads no entry, and so proves that the file
        is what was written, not that it can be restored.
      - V(blocks) reads and hashes every block and entry, as O(mode=stream) does.
      - V(extract) also restores it into O(dest) and compares what lies there, as O(mode=extract) does.
      - Commands in O(checks) run with V(extract) alone; a lower level lists them as not checked.
    type: str
    choices: [hash, blocks, extract]
  mode:
    description: V(stream) reads the archive, V(extract) also restores it into O(dest).
    type: str
    choices: [stream, extract]
    default: stream
  dest:
    description:
      - Scratch folder for O(mode=extract). It is created where it is missing (mode 0700).
      - A relative path is below the state folder.
      - It must be empty, or a scratch folder of this module, which is emptied first.
      - It stays private, whatever owner and mode the folder had that was backed up.
    type: path
  paths:
    description:
      - Only these archive names, each with all below it. A leading slash does not count.
      - A path that the archive holds nothing of is a failure with the error code C(path_missing).
      - The content of a hard link whose first name is not among them is read from there, and restored as a file.
    type: list
    elements: str
    default: []
  sample:
    description: Only one part of the entries, by a hash of the path, so that all parts together cover everything.
    type: dict
    suboptions:
      part:
        description: Which part, from 1.
        type: int
        required: true
      of:
        description: How many parts there are.
        type: int
        required: true
      chosen_by:
        description: How the part was chosen, for the proof to say.
        type: str
        default: hand
  compare:
    description:
      - V(live) also compares the archive with the live files. What changed since the backup is then reported, and the
        result is a failure with the error code C(drift_found).
    type: str
    choices: [manifest, live]
    default: manifest
  checks:
    description:
      - Commands to run in O(dest) after the extraction. Each is a list of arguments (no shell), or a dictionary with
        C(argv), C(name), C(timeout) in seconds (default 600) and C(no_log).
      - With C(no_log) neither the arguments nor the output of a command get into the result. Ansible's own log of the
        task still has the arguments with C(-vvv); hand secrets over in a file, or in the task's C(environment).
      - A command that takes too long is killed with all that it started. What it left running otherwise is not.
      - The test fails when one of them does not exit with 0.
    type: list
    elements: raw
    default: []
  dumps:
    description:
      - How the set's dumps are asked for, as for M(proven.upkeep.backup_archive). Those of them that the archive holds
        are loaded into scratch servers and their rows counted, with V(extract) and where all of them are in scope.
      - Loading a dump runs what it contains. So one that is not named here with the same engine is not loaded but
        listed as not checked, and the drill is C(incomplete).
      - One that is named here and not in the archive is a failure with the code C(dump_missing).
      - Here C(load_test=false) leaves one out, C(timeout) limits it, and C(load_argv) tests a dump of a program. Such
        programs are only ever taken from here, never from the archive.
      - A dump that does not load, or holds other rows than were dumped, is a failure with the code C(dump_not_loaded).
        Where its server is not installed, the drill is C(incomplete).
      - A scratch server has no TCP port and is gone afterwards. Run by root, it runs as the database's own user, in
        V(/var/tmp) where that user cannot get into O(dest).
    type: list
    elements: dict
    default: []
  keep:
    description: Leave what was extracted in O(dest).
    type: bool
    default: false
  devices:
    description: Also make device nodes when extracting. Otherwise they are listed as not checked.
    type: bool
    default: false
  threads:
    description: Threads that decompress. By default as many as there are usable CPUs, up to 16.
    type: int
  requires_root:
    description: Skip, and say so, unless it runs as root.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Reads the archive only. With O(mode=extract) nothing is extracted, and the result says so.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
"""

EXAMPLES = r"""
- name: Verify an archive by reading it
  proven.upkeep.restore_verify:
    archive: /var/backups/upkeep/etc.tar.zst

- name: Restore a database dump into a scratch folder and see that it loads
  proven.upkeep.restore_verify:
    archive: /var/backups/upkeep/database.tar.gz
    mode: extract
    dest: /var/tmp/restore-test
    checks:
      - [pg_restore, --list, var/backups/app.dump]

- name: Verify a seventh of the archive each day of the week
  proven.upkeep.restore_verify:
    archive: /srv/backups/big.tar.zst
    sample:
      part: "{{ now().isoweekday() }}"
      of: 7
"""

RETURN = r"""
data:
  description:
    - The restore test as C(docs/schemas/restore.json) describes it, without what the controller adds.
    - Returned on failure too, with the status C(failed).
  returned: when the test was made
  type: dict
  sample:
    schema: upkeep.restore/1
    backup: etc
    archive: /var/backups/upkeep/etc.tar.zst
    archive_sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    archive_created: "2026-11-23T08:34:03Z"
    status: ok
    level_reached: blocks
    not_proven:
      - "the extraction: every block and entry in scope was read, nothing was written to a disk and read back"
    next_scope: null
    scope:
      mode: stream
      level: blocks
      paths: []
      sample: null
      coverage_pct: 100.0
      compare: manifest
    files_expected: 1204
    files_verified: 1204
    bytes_verified: 2097152
    missing_files: []
    corrupt_files: []
    metadata_mismatches: []
    extra_files: []
    not_checked: []
    checks: []
    started: "2026-11-23T08:35:00Z"
    finished: "2026-11-23T08:35:00Z"
    duration_ms: 96
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_parameter), C(dest_not_empty), C(dest_not_a_folder), C(dest_unwritable), C(archive_missing),
      C(archive_unreadable), C(archive_damaged), C(manifest_missing), C(manifest_damaged), C(manifest_mismatch),
      C(path_missing), C(nothing_verified), C(restore_differs), C(drift_found), C(check_failed),
      C(compression_unavailable), C(history_unreadable), C(no_space), C(io_error), C(dump_missing),
      C(dump_not_loaded), C(dumps_unreadable).
  returned: failure
  type: str
  sample: archive_damaged
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, history, restore
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "at": {"type": "str", "default": "latest"},
            "manifest": {"type": "path"},
            "mode": {"type": "str", "choices": ["stream", "extract"], "default": "stream"},
            "level": {"type": "str", "choices": ["hash", "blocks", "extract"]},
            "dest": {"type": "path"},
            "paths": {"type": "list", "elements": "str", "default": []},
            "sample": {
                "type": "dict",
                "options": {
                    "part": {"type": "int", "required": True},
                    "of": {"type": "int", "required": True},
                    "chosen_by": {"type": "str", "default": "hand"},
                },
            },
            "compare": {"type": "str", "choices": ["manifest", "live"], "default": "manifest"},
            "checks": {"type": "list", "elements": "raw", "default": []},
            "dumps": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "bool", "default": False},
            "devices": {"type": "bool", "default": False},
            "threads": {"type": "int"},
            "requires_root": {"type": "bool", "default": False},
        },
        required_if=[("level", "extract", ("dest",))],
        supports_check_mode=True,
    )
    if reason := state.needs_root(module.params.pop("requires_root")):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    for name in ("archive", "manifest", "dest"):
        module.params[name] = module.params[name] and state.under(module.params[name])
    module.params["archive"] = codecs.written_as(module.params["archive"])
    if module.check_mode and not os.path.lexists(module.params["archive"]):
        module.exit_json(changed=False, skipped=True, skip_reason="check mode: there is no archive yet")
    at = module.params.pop("at")
    try:
        module.params["archive"] = history.chosen(module.params["archive"], at)
        result = restore.run(restore.Request(**module.params), check=module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    if result.failure is not None:
        module.fail_json(data=result.document, changed=result.changed, **result.failure.result())
    module.exit_json(changed=result.changed, data=result.document)


if __name__ == "__main__":
    main()
