#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prune
short_description: Remove archives that retention does not keep
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Removes archives from the history that M(proven.upkeep.backup_archive) keeps.
  - The rules are those of C(restic forget). Each keeps the newest archive of each of the last n periods that have one;
    what no rule keeps goes. Times are UTC. With no rule at all everything is kept.
  - The archive at O(dest) counts, and is never touched. Neither is one that O(verified) names.
  - Only files in the history folder that have this backup's manifest are removed. All else there is left and named.
  - It does nothing, and says why, unless the archive at O(dest) is there, complete, and as it was left.
options:
  name:
    description: Name of the backup set.
    type: str
    required: true
  dest:
    description: The archive, as given to M(proven.upkeep.backup_archive), or as that returned it.
    type: path
    required: true
  keep_last:
    description: Keep the newest n archives.
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
    description: The floor. So many archives stay, the one at O(dest) counted, whatever the rules and O(max_size) say.
    type: int
    default: 1
  max_size:
    description:
      - Bytes that all archives of this backup may take. After the rules, the oldest go until that holds.
      - It may not hold in the end, since some archives are never removed.
    type: int
  verified:
    description: SHA-256 of archives that are never removed, such as the last one that a restore test has proven.
    type: list
    elements: str
    default: []
  before_backup:
    description:
      - Of check mode alone. Says what would be removed right after a backup has written a new archive, which is taken
        to be as big as the one at O(dest); that one is then part of the history.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Lists what would go and what stays, each with why.
  diff_mode:
    support: full
    description: A line an archive, C(=) stays, C(-) goes, with why.
seealso:
  - module: proven.upkeep.backup_archive
"""

EXAMPLES = r"""
- name: Keep a week of days and a year of months
  proven.upkeep.backup_prune:
    name: etc
    dest: /var/backups/upkeep/etc.tar.zst
    keep_last: 3
    keep_daily: 7
    keep_monthly: 12

- name: No more than 20 GiB, but three archives in any case
  proven.upkeep.backup_prune:
    name: database
    dest: /var/backups/upkeep/database.tar.zst
    max_size: 21474836480
    keep_at_least: 3
"""

RETURN = r"""
data:
  description:
    - What was removed and what is kept, as C(docs/schemas/pruned.json) describes it, newest first.
    - C(foreign) names what is in the history folder and is no archive of this backup. C(history) is what is left there.
    - On failure C(removed) says what was removed before that.
  returned: success
  type: dict
  sample:
    schema: upkeep.pruned/1
    backup: etc
    archive: /var/backups/upkeep/etc.tar.zst
    status: ok
    reason: null
    removed:
      - created: "2026-11-15T08:34:01Z"
        archive: /var/backups/upkeep/etc.history/20261115T083401Z.tar.zst
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        bytes: 520192
        files: 1203
        current: false
        why: no rule keeps it
    kept:
      - created: "2026-11-23T08:34:03Z"
        archive: /var/backups/upkeep/etc.tar.zst
        sha256: 5aafc991a57181cc207369b71aefcede4ba95b84840b185885be9fbda1b967a4
        bytes: 524288
        files: 1204
        current: true
        why: the current one, last 1, daily 2026-11-23
    foreign: []
    swept: []
    freed: 520192
    predicted: false
    history: {archives: 0, bytes: 0, newest: []}
    duration_ms: 4
error_code:
  description:
    - What kind of failure it was, for programs.
    - One of C(bad_parameter), C(dest_locked), C(history_unreadable), C(history_unwritable).
  returned: failure
  type: str
  sample: dest_locked
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, prune, retention
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "keep_last": {"type": "int", "default": 0},
            "keep_daily": {"type": "int", "default": 0},
            "keep_weekly": {"type": "int", "default": 0},
            "keep_monthly": {"type": "int", "default": 0},
            "keep_yearly": {"type": "int", "default": 0},
            "keep_at_least": {"type": "int", "default": 1},
            "max_size": {"type": "int"},
            "verified": {"type": "list", "elements": "str", "default": []},
            "before_backup": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    dest = codecs.written_as(state.under(given["dest"]))
    rules = {rule: given[f"keep_{rule}"] for rule in retention.RULES}
    limits = (given["keep_at_least"], given["max_size"], given["verified"])
    try:
        document = prune.run(given["name"], dest, rules, *limits, check=module.check_mode, ahead=given["before_backup"])
    except UpkeepError as error:
        module.fail_json(**error.result())
    told = {"changed": bool(document["removed"] or document["swept"]), "data": document}
    if module._diff:
        told["diff"] = prune.diff(document)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
