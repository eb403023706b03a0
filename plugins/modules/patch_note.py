#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's own memory of its patch run, noted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_note
short_description: Note on a host how far its patch run has come
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Writes what is given into the run's state on the host, from which a later run goes on, even one of another
    controller.
  - Renews the claim on the host, which ends by itself after 15 minutes without a sign of life.
  - Needs root.
attributes:
  check_mode:
    support: full
    description: Writes nothing in check mode.
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
  stage:
    description: How far it has come.
    type: str
    choices: [begun, planned, protected, applying, applied, restarted, verified, rolling_back]
  drained:
    description: Whether the host is out of service.
    type: bool
  reboot:
    description: A reboot that was asked for, as C(asked_at), C(boot) and C(expected_kernel).
    type: dict
  states:
    description: The run's state entries so far.
    type: list
    elements: dict
  process:
    description: Whose the claim has to be. By default this process's, filled in by an action plugin.
    type: str
seealso:
  - module: proven.upkeep.patch_begin
"""

EXAMPLES = r"""
- name: Note that the host is out of service
  proven.upkeep.patch_note:
    patch_id: "{{ begun.data.patch_id }}"
    drained: true
  become: true
"""

RETURN = r"""
data:
  description: The state of the run as it is now, C(upkeep.patch_state/1). Empty in check mode.
  returned: success
  type: dict
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(unknown_run), C(claim_lost),
    C(patch_unreadable), C(state_unwritable).
  returned: failure
  type: str
  sample: unknown_run
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import claim, folder


def main() -> None:
    """Parse, note, answer."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "run_id": {"type": "str"},
            "stage": {"type": "str", "choices": [stage for stage in folder.STAGES if stage != "ended"]},
            "drained": {"type": "bool"},
            "reboot": {"type": "dict"},
            "states": {"type": "list", "elements": "dict"},
            "process": {"type": "str"},
        },
        supports_check_mode=True,
    )
    given = {name: value for name, value in module.params.items() if value is not None}
    patch_id, run_id, process = given.pop("patch_id"), given.pop("run_id", None), given.pop("process", None)
    try:
        folder.needs_root()
        state = {}
        if not module.check_mode:
            claim.own(patch_id, run_id)
            claim.renew(patch_id, process)
            state = folder.note(patch_id, **given)
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=state)


if __name__ == "__main__":
    main()
