#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of a plan fetched, and those that they replace kept, before anything is changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_protect
short_description: Fetch the packages of a plan, and keep those that they replace
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Looks whether there is room, fetches the packages of the plan, verified against the repositories' signed lists, and
    keeps the package files of the versions on their way out. From then on the plan can be applied, and taken back,
    without a network.
  - Changes no package. What lies on the host already is not fetched again.
  - Needs root, and a plan by M(proven.upkeep.patch_plan).
attributes:
  check_mode:
    support: full
    description: Looks for room, and fetches nothing.
  diff_mode:
    support: none
    description: Shows no differences.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  patch_id:
    description: The run, as M(proven.upkeep.patch_begin) returns it.
    type: str
    required: true
  plan_sha256:
    description: The hash of the plan, as M(proven.upkeep.patch_plan) returns it. Another plan is refused.
    type: str
    required: true
  irreversible:
    description:
      - What to do where a version on its way out cannot be kept although it could be had when it was planned. V(allow)
        names it, V(leave_out) and V(refuse) fail, since the plan would have to be another.
    type: str
    choices: [allow, leave_out, refuse]
    default: allow
  states:
    description: The state entries of the run so far, to be noted on the host.
    type: list
    elements: dict
seealso:
  - module: proven.upkeep.patch_plan
  - module: proven.upkeep.patch_apply
"""

EXAMPLES = r"""
- name: Fetch what comes, and keep what goes
  proven.upkeep.patch_protect:
    patch_id: "{{ begun.data.patch_id }}"
    plan_sha256: "{{ planned.data.plan_sha256 }}"
  become: true
"""

RETURN = r"""
data:
  description: What is there now for both ways.
  returned: success
  type: dict
  contains:
    fetched:
      description: How many packages of the plan are there.
      type: int
      returned: success
    fetched_bytes:
      description: Their size.
      type: int
      returned: success
    kept:
      description:
        - The versions on their way out, with C(name), C(arch), C(version), C(file), C(bytes) and C(why). C(file) is
          V(null) where none could be kept, and C(why) says why.
      type: list
      elements: dict
      returned: success
    irreversible:
      description: Those of them that could not be kept.
      type: list
      elements: dict
      returned: success
    room:
      description: The file systems that it needs room on, with C(path), C(free) and C(needed) in bytes.
      type: list
      elements: dict
      returned: success
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(unknown_run), C(no_space), C(plan_moved),
    C(fetch_failed), C(irreversible), C(already_changed), C(state_unwritable), and those of
    M(proven.upkeep.patch_level).
  returned: failure
  type: str
  sample: no_space
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import plan, protect
from ansible_collections.proven.upkeep.plugins.module_utils.patching.timed import timed


def main() -> None:
    """Parse, protect, answer."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "plan_sha256": {"type": "str", "required": True},
            "irreversible": {"type": "str", "choices": list(plan.IRREVERSIBLE), "default": "allow"},
            "states": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    try:
        data = timed(lambda: protect.protect(protect.Request(check_mode=module.check_mode, **module.params)))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=bool(data["fetched"]) and not module.check_mode, data=data)


if __name__ == "__main__":
    main()
