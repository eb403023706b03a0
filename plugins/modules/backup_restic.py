#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restic
short_description: Back up paths into a restic repository
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Makes a snapshot with restic, and tells it as M(proven.upkeep.backup_archive) tells an archive. The identity of the
    backup, where an archive has its hash, is the id of the snapshot.
  - The repository is made where there is none, and never where the password is wrong.
  - Where nothing changed, the earlier snapshot is confirmed and none is added. A snapshot that differs in nothing but
    folders above O(paths), which restic stores too, is taken back.
  - A snapshot that restic could not complete stays, tagged C(incomplete=<name>). It is no last good one for anybody.
requirements:
  - restic 0.17.0 or newer on the host
notes:
  - No secret stands in the arguments of a process or in a file on a disk. Passwords, the address and S3's keys reach
    restic by files that have no name; what restic takes from the environment alone stands in its environment, which
    only its user and root can read.
  - Where the repository is locked, locks that restic itself knows as left behind are removed, no others.
options:
  name:
    description: Name of the backup set, as reports and proofs call it. The snapshot is tagged C(upkeep), C(set=<name>).
    type: str
    required: true
  paths:
    description: What to back up, absolute paths. One that is not there is an error. May be empty with O(dumps).
    type: list
    elements: str
    required: true
  exclude:
    description:
      - Patterns of restic, where V(*) stays within a name and V(**) crosses folders.
      - Upkeep's own state, and folders that hold a file V(.upkeep-evidence) or V(.upkeep-restore), stay out anyway.
    type: list
    elements: str
    default: []
  one_file_system:
    description: Do not enter other file systems below a path.
    type: bool
    default: false
  repository:
    description:
      - The repository as restic names it, such as V(/srv/restic), V(sftp:user@host:/srv/restic),
        V(rest:https://host:8000/fleet) or V(s3:https://host/bucket). Many hosts may share one.
      - A password in it is hidden in results, but Ansible's log of the task has it; use O(environment).
    type: str
    required: true
  password:
    description: The name of the repository's password in O(secrets).
    type: str
    required: true
  environment:
    description:
      - What else restic's back end needs from the environment, each the name of a secret in O(secrets), such as
        C(AWS_SECRET_ACCESS_KEY), C(RESTIC_REST_PASSWORD).
    type: dict
    default: {}
  settings:
    description:
      - What else it needs there and is no secret, each with its value, such as C(AWS_ACCESS_KEY_ID),
        C(AWS_DEFAULT_REGION), C(RESTIC_REST_USERNAME). A secret's text is blotted out of every result, so what is none
        should not be one.
    type: dict
    default: {}
  secrets:
    description: The secrets that O(password), O(environment) and O(dumps) name, by name.
    type: dict
    default: {}
  program:
    description: The program, by name or path.
    type: str
    default: restic
  options:
    description: More arguments for every call, such as V(--limit-upload=2000).
    type: list
    elements: str
    default: []
  retry_lock:
    description: How long to wait for a lock of the repository, as restic writes times.
    type: str
    default: 15m
  init:
    description:
      - Make the repository where there is none.
      - The bucket of an S3 repository must be there. restic itself asks for a quarter of an hour before it gives up.
    type: bool
    default: true
  host:
    description: The name that the snapshot bears. By default the machine's own.
    type: str
  dumps:
    description: Databases to dump first, as for M(proven.upkeep.backup_archive). They are in the same snapshot.
    type: list
    elements: dict
    default: []
  keep_last:
    description: Keep so many of the newest snapshots. Without any rule all are kept.
    type: int
    default: 0
  keep_daily:
    description: Keep the newest of each of so many days that have one.
    type: int
    default: 0
  keep_weekly:
    description: Keep the newest of each of so many weeks.
    type: int
    default: 0
  keep_monthly:
    description: Keep the newest of each of so many months.
    type: int
    default: 0
  keep_yearly:
    description: Keep the newest of each of so many years.
    type: int
    default: 0
  keep_at_least:
    description: Never leave fewer of the newest snapshots than this.
    type: int
    default: 1
  verified:
    description:
      - Ids of snapshots that stay whatever the rules say, such as the last one that was proven.
      - Retention runs after a complete backup only. It is planned by restic, looked at, and what goes then goes by its
        id. The data it alone held stays until someone calls C(restic prune).
    type: list
    elements: str
    default: []
  force:
    description: Read every file again, and make a snapshot even where nothing changed.
    type: bool
    default: false
  requires_root:
    description: Skip, and say so, unless it runs as root.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Lets restic compare without writing, here or there, and makes no repository.
  diff_mode:
    support: full
    description: Lists added and changed paths, a thousand at most. restic does not list what is gone.
"""

EXAMPLES = r"""
- name: Back up into a REST server that many hosts share
  proven.upkeep.backup_restic:
    name: etc
    paths: [/etc, /usr/local/etc]
    repository: rest:https://backup.example.com:8000/fleet
    password: restic
    environment:
      RESTIC_REST_PASSWORD: restic_login
    settings:
      RESTIC_REST_USERNAME: fleet
    secrets: "{{ backup_secrets }}"
    keep_daily: 7
    keep_weekly: 5
"""

RETURN = r"""
data:
  description:
    - The backup as C(docs/schemas/backup.json) describes it, without C(project) and C(host).
    - C(files), C(entries) (files and folders) and C(input_bytes) are restic's own counts. C(bytes) is what the snapshot
      added to the repository, compressed.
    - In check mode C(predicted) is true, and what only a snapshot has is null.
  returned: success
  type: dict
  sample:
    schema: upkeep.backup/1
    backup: etc
    engine: restic
    repository: rest:https://backup.example.com:8000/fleet
    snapshot_id: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    archive: rest:https://backup.example.com:8000/fleet#5aafc991
    manifest: null
    sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    bytes: 18211
    files: 1204
    entries: 1501
    input_bytes: 2097152
    compression: restic
    created: "2026-11-23T08:34:03Z"
    confirmed_at: "2026-11-23T08:34:03Z"
    duration_ms: 1210
    complete: true
    unchanged: false
    changed_during_backup: []
    unreadable: []
    vanished: []
    excluded: 0
    sockets: []
    warnings: []
    tool:
      collection: 0.1.0
      python: 3.11.2
      compressor: restic 0.18.0
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_parameter), C(path_missing), C(unreadable), C(secret_missing), C(restic_missing), C(restic_too_old),
      C(restic_failed), C(repository_missing), C(repository_locked), C(wrong_password), C(restic_interrupted),
      C(dump_failed), C(dumps_locked), C(no_space), C(io_error).
  returned: failure
  type: str
  sample: wrong_password
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.restic import backup


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "paths": {"type": "list", "elements": "str", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "one_file_system": {"type": "bool", "default": False},
            "repository": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": False},
            "environment": {"type": "dict", "default": {}},
            "settings": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "no_log": True, "default": {}},
            "program": {"type": "str", "default": "restic"},
            "options": {"type": "list", "elements": "str", "default": []},
            "retry_lock": {"type": "str", "default": "15m"},
            "init": {"type": "bool", "default": True},
            "host": {"type": "str"},
            "dumps": {"type": "list", "elements": "dict", "default": []},
            "keep_last": {"type": "int", "default": 0},
            "keep_daily": {"type": "int", "default": 0},
            "keep_weekly": {"type": "int", "default": 0},
            "keep_monthly": {"type": "int", "default": 0},
            "keep_yearly": {"type": "int", "default": 0},
            "keep_at_least": {"type": "int", "default": 1},
            "verified": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "requires_root": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if reason := state.needs_root(module.params.pop("requires_root")):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    try:
        result = backup.run(backup.Request(**module.params), check=module.check_mode, diff=module._diff)
    except UpkeepError as error:
        module.fail_json(**error.result())
    for warning in result["data"]["warnings"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
