#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: restore_checks
short_description: Run a set's checks where it was restored
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Runs commands in a folder that was restored for good, as M(proven.upkeep.restore_verify) does in its scratch
    folder. Does
    the configuration parse, is the service's data there?
options:
  checks:
    description:
      - Commands as lists of arguments, or dictionaries with C(argv), and perhaps C(name), C(timeout) in seconds and
        C(no_log).
        No shell runs them.
      - E(UPKEEP_RESTORE) names the folder.
    type: list
    elements: raw
    required: true
  folder:
    description: Where they run.
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Runs nothing.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
seealso:
  - module: proven.upkeep.restore_verify
"""

EXAMPLES = r"""
- name: Does what came back work?
  proven.upkeep.restore_checks:
    folder: /
    checks:
      - [nginx, -t]
"""

RETURN = r"""
checks:
  description: What came of each, with C(name), C(argv), C(rc), C(ok), C(duration_ms), and C(output) where it failed.
  returned: always
  type: list
  elements: dict
  sample: [{name: nginx, argv: [nginx, -t], rc: 0, ok: true, duration_ms: 31}]
error_code:
  description: What went wrong, for programs. One of C(bad_parameter), C(check_failed).
  returned: failure
  type: str
  sample: check_failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.archive import checks
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "checks": {"type": "list", "elements": "raw", "required": True},
            "folder": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    try:
        parsed = checks.parse(module.params["checks"])
    except UpkeepError as error:
        module.fail_json(checks=[], **error.result())
    if module.check_mode:
        module.exit_json(changed=False, checks=[])
    found = [checks.run(one, module.params["folder"]) for one in parsed]
    bad = [one["name"] for one in found if not one["ok"]]
    if bad:
        message = f"checks: {', '.join(bad)} failed in {module.params['folder']}."
        module.fail_json(checks=found, **UpkeepError("check_failed", message).result())
    module.exit_json(changed=False, checks=found)


if __name__ == "__main__":
    main()
