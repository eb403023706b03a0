#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reboot a host within a patch run, and confirm that it has come back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_reboot
short_description: Reboot a host within a patch run, and confirm that it came back with the expected kernel
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Looks whether the expected kernel has its image and a whole initramfs in C(/boot), notes the reboot on the host,
    asks for it with C(systemctl reboot), and waits for the host to answer with another boot than before. An answer of
    the host while it shuts down does not count.
  - Then waits for systemd to be done with starting. Units that failed in that are for M(proven.upkeep.patch_health) to
    find.
  - A container is known to have started again by the start of its first process, since the boot id is its machine's.
  - Can be run again. Where the noted reboot has happened already, nothing is asked for.
  - Works over any connection plugin; the action asks the host again and again by this very module.
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, which waits on the controller.
  check_mode:
    support: full
    description: Looks at the kernel's files only.
  diff_mode:
    support: none
    description: No file changes.
options:
  patch_id:
    description: The patch run, as M(proven.upkeep.patch_begin) returned it.
    type: str
    required: true
  expected_kernel:
    description: The release that is to run afterwards, as C(uname -r) says it. Without it any will do.
    type: str
  timeout:
    description: Seconds for the host to come back and to be done with starting.
    type: int
    default: 600
  ask:
    description: Whether to ask for the reboot. V(false) where something else did, such as C(patch_reboot_tasks).
    type: bool
    default: true
  prepare:
    description:
      - Only look at the kernel's files and note the reboot. For before something else asks for it, so that the boot
        before is known.
    type: bool
    default: false
  states:
    description: The run's states so far, noted on the host for whoever continues the run.
    type: list
    elements: dict
  step:
    description: What this module does on the host. Set by the action.
    type: str
    choices: [prepare, ask, look]
    default: ask
"""

EXAMPLES = r"""
- name: Reboot the host
  proven.upkeep.patch_reboot:
    patch_id: 20261123T200102Z-4711
    expected_kernel: 6.1.0-35-amd64
  become: true
"""

RETURN = r"""
data:
  description: What became of the reboot.
  returned: success, and where it failed after it was asked for
  type: dict
  contains:
    rebooted:
      description: Whether the host has rebooted.
      type: bool
      returned: always
    boot_before:
      description: The boot before.
      type: dict
      returned: always
      sample: {boot_id: 90a00935-1918-492f-8033-ccac2bb39db7, init_started: 30, kernel: 6.1.0-34-amd64}
    boot:
      description: The boot after, V(null) where the host did not come back.
      type: dict
      returned: always
    kernel:
      description: The kernel that runs now, V(null) where the host did not come back.
      type: str
      returned: always
      sample: 6.1.0-35-amd64
    expected_kernel:
      description: The kernel that was to run.
      type: str
      returned: always
    state:
      description: What C(systemctl is-system-running) said last.
      type: str
      returned: always
      sample: running
    settled:
      description: Whether the system was done with starting in time.
      type: bool
      returned: always
    started:
      description: When it began.
      type: str
      returned: always
    finished:
      description: When it ended.
      type: str
      returned: always
    duration_ms:
      description: How long it took.
      type: int
      returned: always
error_code:
  description: What went wrong, for programs. One of C(initramfs_missing) (it was not rebooted), C(reboot_timeout),
    C(reboot_kernel), C(reboot_unnoted), C(needs_root), C(unknown_run), C(bad_patch_id), C(patch_unreadable),
    C(state_unwritable).
  returned: failure
  type: str
  sample: reboot_timeout
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import reboot, step


def main() -> None:
    """The host's part: one step."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "expected_kernel": {"type": "str"},
            "timeout": {"type": "int", "default": 600},
            "ask": {"type": "bool", "default": True},
            "prepare": {"type": "bool", "default": False},
            "states": {"type": "list", "elements": "dict"},
            "step": {"type": "str", "choices": ["prepare", "ask", "look"], "default": "ask"},
        },
        supports_check_mode=True,
    )
    given = module.params

    def work() -> dict:
        if given["step"] == "look":
            return reboot.look(given["patch_id"])
        noted = reboot.prepare(given["patch_id"], given["expected_kernel"], module.check_mode)
        if given["step"] == "ask" and not module.check_mode:
            reboot.ask(given["patch_id"])
        return {"boot_before": noted["boot"]}

    try:
        data = step.timed(work, given["patch_id"], given["states"], module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=data)


if __name__ == "__main__":
    main()
