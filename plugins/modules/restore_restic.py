#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: restore_restic
short_description: Prove that a restic snapshot can be restored, or restore it
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - With O(mode=drill), reads part of the repository's data (C(restic check)), restores a snapshot of
    M(proven.upkeep.backup_restic) into a scratch folder, and compares what lies there with restic's own list of it,
    names, types, sizes, modes, owners, times and link targets. The contents are verified by C(restic restore --verify),
    which reads each file again.
  - Commands then check what was restored, and dumps of databases are loaded into scratch servers.
  - A test that verified nothing is a failure, and one of an incomplete snapshot is at best C(incomplete).
  - With O(mode=restore), the snapshot is restored in earnest. Files that are not in it stay.
requirements:
  - restic 0.17.0 or newer on the host
options:
  name:
    description: Name of the backup set.
    type: str
    required: true
  repository:
    description: The repository, as for M(proven.upkeep.backup_restic).
    type: str
    required: true
  password:
    description: The name of the repository's password in O(secrets).
    type: str
    required: true
  environment:
    description: What else restic's back end needs, as for M(proven.upkeep.backup_restic).
    type: dict
    default: {}
  settings:
    description: What else it needs and is no secret, as for M(proven.upkeep.backup_restic).
    type: dict
    default: {}
  secrets:
    description: The secrets that O(password) and O(environment) name, by name.
    type: dict
    default: {}
  program:
    description: The program, by name or path.
    type: str
    default: restic
  options:
    description: More arguments for every call.
    type: list
    elements: str
    default: []
  retry_lock:
    description: How long to wait for a lock of the repository.
    type: str
    default: 15m
  host:
    description: The name that the snapshot bears. By default the machine's own.
    type: str
  at:
    description:
      - Which snapshot. V(latest) is the last complete one, V(2026-11-23T08:34:03Z) the newest made until that time
        (UTC), V(2026-11-23) until the end of that day.
      - An id of eight digits or more takes that one, an incomplete one too.
      - Where there is none, the error lists what there is.
    type: str
    default: latest
  mode:
    description:
      - V(drill) tests it, V(restore) restores the files in earnest.
      - V(load) loads its dumps into the servers that O(dumps) name, as M(proven.upkeep.backup_load) does, and touches
        no other file.
    type: str
    choices: [drill, restore, load]
    default: drill
  dest:
    description:
      - The scratch folder of a drill, which must be empty or an earlier drill's. It is required then; a relative path
        is below the state folder.
      - What to restore into, by default V(/).
    type: path
  overwrite:
    description:
      - With O(mode=restore), of what is there and differs. V(always), the default then, replaces it, V(older) only what
        is older than in the snapshot, V(never) nothing.
      - With O(mode=load), as for M(proven.upkeep.backup_load); V(never) is the default then.
    type: str
    choices: [never, older, always]
  only:
    description: With O(mode=load), only these dumps, by name. Empty means all.
    type: list
    elements: str
    default: []
  paths:
    description: Only these paths, each with all below it. One that the snapshot does not hold is an error.
    type: list
    elements: str
    default: []
  checks:
    description: Commands to run in the scratch folder, as for M(proven.upkeep.restore_verify).
    type: list
    elements: raw
    default: []
  check_of:
    description:
      - A drill reads one of so many parts of the repository's data, whoever's it is. V(1) reads all, V(0) none.
    type: int
    default: 7
  check_part:
    description: Which part, from 1. Another one each time covers everything.
    type: int
    default: 1
  load_dumps:
    description:
      - Whether a drill loads the dumps in the snapshot, and a restore brings them back, for their folder to be loaded
        from.
    type: bool
    default: true
  dumps:
    description: How the set's dumps are asked for, as for M(proven.upkeep.restore_verify).
    type: list
    elements: dict
    default: []
  keep:
    description: Leave what a drill restored in O(dest).
    type: bool
    default: false
  requires_root:
    description: Skip, and say so, unless it runs as root.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: A drill finds the snapshot and restores nothing; a restore says what it would bring back.
  diff_mode:
    support: full
    description: A restore lists what it brings back or would, a thousand paths at most.
"""

EXAMPLES = r"""
- name: Prove the last snapshot
  proven.upkeep.restore_restic:
    name: etc
    repository: sftp:backup@vault.example.com:/srv/restic
    password: restic
    secrets: "{{ backup_secrets }}"
    dest: restore-test
    check_of: 7
    check_part: "{{ now().isoweekday() }}"

- name: Bring one folder back
  proven.upkeep.restore_restic:
    name: etc
    mode: restore
    at: 2026-11-22
    paths: [/etc/nginx]
    repository: sftp:backup@vault.example.com:/srv/restic
    password: restic
    secrets: "{{ backup_secrets }}"
"""

RETURN = r"""
data:
  description:
    - With O(mode=drill) the test as C(docs/schemas/restore.json) describes it, on failure too.
    - With O(mode=load) as RV(proven.upkeep.backup_load#module:data).
    - With O(mode=restore) what was restored; C(dumps_folder) is where the dumps lie, where there are any.
  returned: when the test was made, or the restore
  type: dict
  sample:
    backup: etc
    engine: restic
    repository: sftp:backup@vault.example.com:/srv/restic
    snapshot_id: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    created: "2026-11-22T08:34:03Z"
    status: ok
    predicted: false
    entries: 1501
    restored: 3
    bytes: 2097152
    dest: /
    paths: [/etc/nginx]
    verified: true
    started: "2026-11-23T09:00:00Z"
    finished: "2026-11-23T09:00:02Z"
    duration_ms: 2210
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_parameter), C(secret_missing), C(restic_missing), C(restic_too_old), C(restic_failed),
      C(repository_missing), C(repository_locked), C(wrong_password), C(restic_interrupted), C(archive_missing),
      C(archive_damaged), C(restore_differs), C(nothing_verified), C(path_missing), C(check_failed), C(dump_not_loaded),
      C(dumps_unreadable), C(dump_missing), C(load_refused), C(dest_not_empty), C(dest_not_a_folder),
      C(dest_unwritable), C(dest_locked), C(io_error).
  returned: failure
  type: str
  sample: archive_damaged
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.restic import drill, loading, restore


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "repository": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": False},
            "environment": {"type": "dict", "default": {}},
            "settings": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "no_log": True, "default": {}},
            "program": {"type": "str", "default": "restic"},
            "options": {"type": "list", "elements": "str", "default": []},
            "retry_lock": {"type": "str", "default": "15m"},
            "host": {"type": "str"},
            "at": {"type": "str", "default": "latest"},
            "mode": {"type": "str", "choices": ["drill", "restore", "load"], "default": "drill"},
            "dest": {"type": "path"},
            "overwrite": {"type": "str", "choices": ["never", "older", "always"]},
            "only": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "str", "default": []},
            "checks": {"type": "list", "elements": "raw", "default": []},
            "check_of": {"type": "int", "default": 7},
            "check_part": {"type": "int", "default": 1},
            "load_dumps": {"type": "bool", "default": True},
            "dumps": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "bool", "default": False},
            "requires_root": {"type": "bool", "default": False},
        },
        required_if=[("mode", "drill", ("dest",))],
        supports_check_mode=True,
    )
    if reason := state.needs_root(module.params.pop("requires_root")):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    request = drill.Request(**module.params)
    if request.mode == "drill":
        request = request._replace(dest=state.under(request.dest))
    try:
        if request.mode == "restore":
            module.exit_json(**restore.run(request, check=module.check_mode, diff=module._diff))
        result = (loading if request.mode == "load" else drill).run(request, check=module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    if result.failure is not None:
        module.fail_json(data=result.document, changed=result.changed, **result.failure.result())
    module.exit_json(changed=result.changed, data=result.document)


if __name__ == "__main__":
    main()
