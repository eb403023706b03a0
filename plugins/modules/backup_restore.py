#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Restore an archive, or some paths of it
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Restores from an archive of M(proven.upkeep.backup_archive), on the host where it lies, to its place or beside.
  - Every entry is verified against the manifest as it is written. It is built in a private folder beside its place and
    renamed when it is whole, so neither a cut nor a damaged archive leaves half a file or takes a good one away.
  - What is there already as the manifest has it is left alone. After a cut, run it again; only what is missing is done.
  - Nothing is written outside O(dest), or through a symbolic link below it. Nothing that the archive does not hold is
    removed.
  - Only the blocks that hold what is to be written are read.
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
      - The archive's manifest. By default the one beside it, or else the copy inside the archive.
      - The copy inside does not say where the paths were, so O(dest) must then be given.
    type: path
  paths:
    description:
      - Only these paths, each with all below it, as they were on the host or as the archive names them.
      - By default everything. A path that the archive holds nothing of is a failure, and nothing is written.
      - Folders above them that are missing are made as they were.
    type: list
    elements: str
    default: []
  dest:
    description:
      - The folder to restore into. By default the one that the archive's names are relative to (C(/) for a backup of
        absolute paths), so that everything comes to its place.
      - Any other folder restores beside. It is created where it is missing (mode 0700).
    type: path
  overwrite:
    description:
      - What happens to something that is there and differs.
      - V(older) replaces it unless it is newer than in the archive. V(always) replaces it. V(never) leaves it.
      - What is refused is listed, and the task fails. All else is restored all the same.
      - A folder that is there is never refused. It gets its owner, mode, attributes and time back, but with V(never).
      - A folder is never replaced by something else.
    type: str
    choices: [older, never, always]
    default: older
  devices:
    description: Also make device nodes. Otherwise they are refused.
    type: bool
    default: false
  require_free:
    description: Bytes that must be left free, beyond what is to be written.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: The dry run. It lists what would be created, replaced, left alone and refused; a refusal is no failure.
  diff_mode:
    support: full
    description: Lists what would be or was written, as it was before and as it is in the archive.
seealso:
  - module: proven.upkeep.restore_verify
"""

EXAMPLES = r"""
- name: Bring back a lost folder
  proven.upkeep.backup_restore:
    archive: /var/backups/upkeep/etc.tar.zst
    paths: [/etc/nginx]

- name: Look at how it was, beside
  proven.upkeep.backup_restore:
    archive: /var/backups/upkeep/etc.tar.zst
    dest: /var/tmp/etc-as-it-was

- name: Back to the backup, whatever was edited since
  proven.upkeep.backup_restore:
    archive: /var/backups/upkeep/etc.tar.zst
    paths: [/etc/app.conf]
    overwrite: always
"""

RETURN = r"""
data:
  description:
    - The restore as C(docs/schemas/restored.json) describes it. A list has up to 1000 names, C(counts) the number.
    - C(replaced) has folders too that were given their owner, mode, attributes or time back.
    - Returned on failure too, once there is a plan.
  returned: when the archive could be read
  type: dict
  sample:
    schema: upkeep.restored/1
    backup: etc
    archive: /var/backups/upkeep/etc.tar.zst
    archive_sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    archive_created: "2026-11-23T08:34:03Z"
    dest: /
    in_place: true
    paths: [/etc/nginx]
    overwrite: older
    predicted: false
    status: ok
    counts: {created: 1, replaced: 1, unchanged: 12, refused: 0, failed: 0}
    created: [etc/nginx/nginx.conf]
    replaced: [etc/nginx]
    unchanged: []
    refused: []
    failed: []
    not_restored: []
    bytes: 2656
    started: "2026-11-23T09:00:00Z"
    finished: "2026-11-23T09:00:00Z"
    duration_ms: 12
error_code:
  description:
    - What kind of failure it was, for programs.
    - C(restore_refused) (status C(incomplete)) when something was refused, C(restore_incomplete) when the archive is.
    - Else one of C(restore_failed), C(bad_parameter), C(path_missing), C(archive_missing), C(archive_unreadable),
      C(archive_damaged), C(manifest_missing), C(manifest_damaged), C(manifest_mismatch), C(compression_unavailable),
      C(dest_not_a_folder), C(dest_locked), C(dest_unwritable), C(no_space), C(history_unreadable), C(io_error).
  returned: failure
  type: str
  sample: restore_refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, history, restore_in_place
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "at": {"type": "str", "default": "latest"},
            "manifest": {"type": "path"},
            "paths": {"type": "list", "elements": "str", "default": []},
            "dest": {"type": "path"},
            "overwrite": {"type": "str", "choices": ["older", "never", "always"], "default": "older"},
            "devices": {"type": "bool", "default": False},
            "require_free": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    for name in ("archive", "manifest", "dest"):
        module.params[name] = module.params[name] and state.under(module.params[name])
    module.params["archive"] = codecs.written_as(module.params["archive"])
    at = module.params.pop("at")
    try:
        module.params["archive"] = history.chosen(module.params["archive"], at)
        result = restore_in_place.run(restore_in_place.Request(**module.params), check=module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    told = {"changed": result.changed, "data": result.document}
    if module._diff:
        told["diff"] = result.diff
    if result.failure is not None:
        module.fail_json(**told, **result.failure.result())
    module.exit_json(**told)


if __name__ == "__main__":
    main()
