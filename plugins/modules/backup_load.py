#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_load
short_description: Load the databases of an archive into their servers
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Restores what M(proven.upkeep.backup_archive) dumped with O(dumps), into the real servers. Each dump is verified as
    it is taken out of the archive, and its rows are counted once it is loaded.
  - PostgreSQL gets its roles before its databases; roles that are there stay as they are. MySQL and MariaDB get their
    databases, not their users. SQLite's file is written as one transaction, or put in place with its owner and mode.
    Redis is given its keys one by one and goes on running.
  - A dump of the engine C(command) cannot be loaded, as only its program knows how. M(proven.upkeep.backup_restore)
    with a C(dest) gives it out. The status is then C(incomplete), with the reason.
options:
  archive:
    description: The archive. A relative path is below the state folder, as for M(proven.upkeep.backup_archive).
    type: path
    required: true
  at:
    description: Which archive, by time, as for M(proven.upkeep.restore_verify).
    type: str
    default: latest
  manifest:
    description: The archive's manifest. By default the one beside it.
    type: path
  dumps:
    description:
      - How the servers are reached, as M(proven.upkeep.backup_archive) was told. A dump that is not named here goes to
        the server on this host's socket.
    type: list
    elements: dict
    default: []
  only:
    description: Only these dumps, by name. Empty means all.
    type: list
    elements: str
    default: []
  databases:
    description: Only these databases. Empty means all.
    type: list
    elements: str
    default: []
  secrets:
    description: The secrets that O(dumps) name, by name.
    type: dict
    default: {}
  overwrite:
    description:
      - With V(never), nothing at all is loaded where a database is there already and holds a table or a key.
      - With V(always), such a database is replaced. PostgreSQL's is renamed while the other is loaded, dropped when
        that worked, and comes back when not; it takes room for both. The others are dropped or emptied first.
    type: str
    choices: [never, always]
    default: never
attributes:
  check_mode:
    support: full
    description: Looks into the archive and the servers, and says what would be loaded.
  diff_mode:
    support: none
    description: What a database held before is not known.
"""

EXAMPLES = r"""
- name: Load one database of yesterday's archive
  proven.upkeep.backup_load:
    archive: /var/backups/upkeep/shop.tar.zst
    at: 2026-11-22
    dumps:
      - name: orders
        engine: postgresql
    databases: [shop]
    overwrite: always
"""

RETURN = r"""
data:
  description:
    - What was loaded, as C(docs/schemas/loaded.json) describes it. Returned on failure too, once loading began.
  returned: when loading began
  type: dict
  sample:
    schema: upkeep.loaded/1
    backup: shop
    archive: /var/backups/upkeep/shop.tar.zst
    archive_sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
    archive_created: "2026-11-23T08:34:03Z"
    status: ok
    reason: null
    predicted: false
    overwrite: always
    dumps:
      - name: orders
        engine: postgresql
        database: shop
        action: replaced
        status: loaded
        ok: true
        tables: 12
        rows: 48211
        rows_expected: 48211
        differences: []
        why: null
        duration_ms: 812
    started: "2026-11-23T09:00:00Z"
    finished: "2026-11-23T09:00:01Z"
    duration_ms: 1290
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(load_refused) (a database is there already), C(dump_not_loaded), C(dump_missing), C(dumps_unreadable),
      C(secret_missing), C(bad_parameter), or what M(proven.upkeep.restore_verify) says of a damaged archive.
  returned: failure
  type: str
  sample: load_refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, history
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import restored
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "at": {"type": "str", "default": "latest"},
            "manifest": {"type": "path"},
            "dumps": {"type": "list", "elements": "dict", "default": []},
            "only": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "no_log": True, "default": {}},
            "overwrite": {"type": "str", "choices": ["never", "always"], "default": "never"},
        },
        supports_check_mode=True,
    )
    for name in ("archive", "manifest"):
        module.params[name] = module.params[name] and state.under(module.params[name])
    module.params["archive"] = codecs.written_as(module.params["archive"])
    at = module.params.pop("at")
    try:
        module.params["archive"] = history.chosen(module.params["archive"], at)
        result = restored.run(restored.Request(**module.params), check=module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    if result.failure is not None:
        module.fail_json(data=result.document, changed=result.changed, **result.failure.result())
    module.exit_json(changed=result.changed, data=result.document)


if __name__ == "__main__":
    main()
