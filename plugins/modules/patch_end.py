#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a patch run on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_end
short_description: End a patch run on its host, and give the host free
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Notes what came of the run, removes the packages that were fetched for it, and releases the claim.
  - Keeps the way back (the versions before) of O(keep_runs) runs that changed packages, and removes older ones.
  - A run whose job still runs is not ended. The claim stays, and the next run goes on with it.
  - Needs root.
attributes:
  check_mode:
    support: full
    description: Writes and removes nothing in check mode.
  diff_mode:
    support: none
    description: Shows no differences.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  patch_id:
    description: The run.
    type: str
    required: true
  run_id:
    description: The run that does this, C(data.run_id) of M(proven.upkeep.patch_begin). Where another one has taken
      the host over since, it fails (C(claim_lost)).
    type: str
  outcome:
    description: What came of it.
    type: str
    required: true
    choices: [patched, nothing_to_do, planned, rolled_back, refused, failed, needs_attention]
  states:
    description: The run's state entries.
    type: list
    elements: dict
  drained:
    description: Whether the host is still out of service.
    type: bool
  keep_runs:
    description: How many runs the host keeps the way back of.
    type: int
    default: 3
seealso:
  - module: proven.upkeep.patch_begin
"""

EXAMPLES = r"""
- name: End the patch run
  proven.upkeep.patch_end:
    patch_id: "{{ begun.data.patch_id }}"
    outcome: patched
    drained: false
  become: true
"""

RETURN = r"""
data:
  description: What was done. Empty in check mode.
  returned: success
  type: dict
  contains:
    ended:
      description: Whether the run has ended. V(false) where its job still runs.
      type: bool
      returned: success
    job:
      description: The run's last job, V(null) where it had none or was ended before.
      type: str
      returned: success
    released:
      description: Whether a claim was released.
      type: bool
      returned: success
    removed:
      description: The older runs whose folders were removed.
      type: list
      elements: str
      returned: success
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(unknown_run), C(claim_lost),
    C(patch_unreadable), C(state_unwritable).
  returned: failure
  type: str
  sample: unknown_run
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import end


def main() -> None:
    """Parse, end, answer."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "run_id": {"type": "str"},
            "outcome": {"type": "str", "required": True, "choices": list(end.OUTCOMES)},
            "states": {"type": "list", "elements": "dict"},
            "drained": {"type": "bool"},
            "keep_runs": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    if module.params["keep_runs"] < 1:
        module.fail_json(msg="keep_runs has to be 1 or more: the way back of this run.", error_code="bad_parameter")
    try:
        data = {} if module.check_mode else end.end(end.Request(**module.params))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=data)


if __name__ == "__main__":
    main()
