#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exact changes that a patch run would make, planned by the package manager's own solver."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_plan
short_description: Plan exactly what a patch run changes on a host
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Lets the package manager's own solver say what it takes to have exactly the wanted versions, and writes that down
    with a hash. Every install, upgrade and removal is in it, each with its reason and with whether there is a way back.
  - What cannot be done is left out, with what the solver says of it, and does not keep the rest from being planned.
  - Changes no package. Works from the package lists that the host has; nothing is fetched.
  - Needs root, and a run that M(proven.upkeep.patch_begin) began.
attributes:
  check_mode:
    support: full
    description: Plans the same, and does not note the plan on the host.
  diff_mode:
    support: full
    description: Shows a line for each package that would change, with its version before and after.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  patch_id:
    description: The run, as M(proven.upkeep.patch_begin) returns it.
    type: str
    required: true
  host:
    description: The name of the host in the plan.
    type: str
    required: true
  wanted:
    description: The updates that policy approved, each as C(name), C(arch), C(to) and C(why). Further keys are ignored.
    type: list
    elements: dict
    required: true
  left_out:
    description:
      - The updates that policy left out, each as C(name), C(to) and C(why). They go into the plan as they are.
      - What is marked C(firm) stays as it is even where something wanted needs it, which is then left out, too.
    type: list
    elements: dict
    default: []
  policy_sha256:
    description: The hash of the policy that made this selection.
    type: str
  removals:
    description: Whether packages may be removed. Where not, what needs that is left out.
    type: bool
    default: false
  irreversible:
    description:
      - What to do with an update whose way back cannot be kept, since the version that it replaces is nowhere any more.
      - V(allow) plans and names it, V(leave_out) leaves it out, V(refuse) fails.
    type: str
    choices: [allow, leave_out, refuse]
    default: allow
  manager:
    description: The package manager. V(auto) takes the one of the distribution.
    type: str
    choices: [auto, apt, dnf, zypper, apk, pacman]
    default: auto
  states:
    description: The state entries of the run so far, to be noted on the host.
    type: list
    elements: dict
seealso:
  - module: proven.upkeep.patch_begin
  - module: proven.upkeep.patch_protect
  - module: proven.upkeep.patch_apply
"""

EXAMPLES = r"""
- name: Plan exactly what policy approved
  proven.upkeep.patch_plan:
    patch_id: "{{ begun.data.patch_id }}"
    host: "{{ inventory_hostname }}"
    wanted: "{{ selected.data.wanted }}"
    left_out: "{{ selected.data.left_out }}"
    policy_sha256: "{{ selected.data.policy_sha256 }}"
  become: true
  register: planned
"""

RETURN = r"""
data:
  description: The plan, a document of the schema C(upkeep.plan/1).
  returned: success
  type: dict
  contains:
    actions:
      description:
        - What would be done, as C(action) (C(upgrade), C(install), C(remove)), C(name), C(arch), C(from), C(to), C(why)
          and C(reversible).
      type: list
      elements: dict
      returned: success
    left_out:
      description: What would not be done, and why.
      type: list
      elements: dict
      returned: success
    plan_sha256:
      description: The hash by which M(proven.upkeep.patch_apply) knows that it applies this plan and no other.
      type: str
      returned: success
    download_bytes:
      description: The size of the packages. V(null) where the package manager does not say.
      type: int
      returned: success
    disk_bytes:
      description: By how much the installed packages grow. V(null) where the package manager does not say.
      type: int
      returned: success
    room:
      description: The file systems that it needs room on, with C(path), C(free) and C(needed) in bytes.
      type: list
      elements: dict
      returned: success
    refused:
      description: Why the plan cannot be applied as things are, as C(code) (C(no_space)) and C(message), else V(null).
      type: dict
      returned: success
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(unknown_run), C(invalid_wanted), C(irreversible),
    C(already_changed), C(state_unwritable), C(manager_unsupported), and those of M(proven.upkeep.patch_level).
  returned: failure
  type: str
  sample: irreversible
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import plan
from ansible_collections.proven.upkeep.plugins.module_utils.patching.timed import timed


def main() -> None:
    """Parse, plan, answer."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "wanted": {"type": "list", "elements": "dict", "required": True},
            "left_out": {"type": "list", "elements": "dict", "default": []},
            "policy_sha256": {"type": "str"},
            "removals": {"type": "bool", "default": False},
            "irreversible": {"type": "str", "choices": list(plan.IRREVERSIBLE), "default": "allow"},
            "manager": {
                "type": "str",
                "choices": ["auto", "apt", "dnf", "zypper", "apk", "pacman"],
                "default": "auto",
            },
            "states": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    try:
        data = timed(lambda: plan.make(plan.Request(check_mode=module.check_mode, **module.params)))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=data, diff=plan.diff(data))


if __name__ == "__main__":
    main()
