#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restart the units that still run replaced code."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_restart
short_description: Restart the units that still run code which an update has replaced
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Finds the processes that run code which is no longer on disk, and restarts their units one after the other, each
    after those that it is to start after. systemd itself comes first (C(daemon-reexec)).
  - Leaves alone what a restart would do harm to, with the reason in RV(data.deferred). This is the system bus, logins
    and consoles, the network, clusters, hosts of containers and machines, and the unit that this very run works in.
  - A unit that was not active stays so. One that is no longer active a second after its restart counts as failed.
  - A unit that could not be restarted is a result and no failure of this module. See RV(data.status).
attributes:
  check_mode:
    support: full
    description: Says what would be restarted.
  diff_mode:
    support: none
    description: No file changes.
  platform:
    support: full
    platforms: linux
    description: Works on Linux hosts that systemd runs. Elsewhere it says what runs replaced code.
options:
  exclude:
    description: Units that are not restarted, as globs over their names, with or without C(.service).
    type: list
    elements: str
    default: []
  patch_id:
    description: The patch run, as M(proven.upkeep.patch_begin) returned it. Its stage becomes C(restarted).
    type: str
  states:
    description: The run's states so far, noted on the host for whoever continues the run. Needs O(patch_id).
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Restart what runs replaced code
  proven.upkeep.patch_restart:
    patch_id: 20261123T200102Z-4711
    exclude: [postgresql@*]
  become: true
"""

RETURN = r"""
data:
  description: What was restarted and what was not.
  returned: success
  type: dict
  contains:
    status:
      description: V(failed) if a unit could not be restarted, else V(ok).
      type: str
      returned: success
      sample: ok
    restarted:
      description: The units that were restarted, or would be, and how long it took (V(null) in check mode).
      type: list
      elements: dict
      returned: success
      sample: [{unit: nginx.service, duration_ms: 140}]
    failed:
      description: The units that could not be restarted, and why.
      type: list
      elements: dict
      returned: success
      sample: [{unit: nginx.service, why: Job for nginx.service failed}]
    excluded:
      description: The units that O(exclude) leaves alone.
      type: list
      elements: dict
      returned: success
      sample: [{unit: postgresql@15-main.service, why: policy excludes postgresql@*}]
    deferred:
      description: The units that a restart would do harm to, why, and whether only a C(reboot) renews them.
      type: list
      elements: dict
      returned: success
      sample: [{unit: systemd-logind.service, why: a restart can end sessions, reboot: true}]
    left:
      description:
        - What runs replaced code afterwards, by unit (V(null) for processes of no unit) and program. In check mode,
          what would.
      type: list
      elements: dict
      returned: success
      sample: [{unit: systemd-logind.service, commands: [systemd-logind]}]
    sessions:
      description: The sessions of users that run replaced code. They end when their users log out.
      type: list
      elements: str
      returned: success
      sample: [session-3.scope]
    reboot_wanted:
      description: Whether only a reboot renews some of it.
      type: bool
      returned: success
    not_seen:
      description: What could not be seen or done, as sentences.
      type: list
      elements: str
      returned: success
    started:
      description: When it began.
      type: str
      returned: success
      sample: "2026-11-23T20:01:02Z"
    finished:
      description: When it ended.
      type: str
      returned: success
      sample: "2026-11-23T20:01:03Z"
    duration_ms:
      description: How long it took.
      type: int
      returned: success
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(unknown_run), C(bad_patch_id),
    C(patch_unreadable), C(state_unwritable), C(command_failed).
  returned: failure
  type: str
  sample: needs_root
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, step
from ansible_collections.proven.upkeep.plugins.module_utils.patching.restart import restart


def main() -> None:
    """Parse, restart, note, answer."""
    module = AnsibleModule(
        argument_spec={
            "exclude": {"type": "list", "elements": "str", "default": []},
            "patch_id": {"type": "str"},
            "states": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    patch_id, check_mode = module.params["patch_id"], module.check_mode
    try:
        data = step.timed(
            lambda: restart(module.params["exclude"], check_mode), patch_id, module.params["states"], check_mode
        )
        # On the way back the stage stays: a run that is continued has to go on with that.
        if patch_id and not check_mode and folder.state_of(patch_id)["stage"] == "applied":
            folder.note(patch_id, stage="restarted")
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=bool(data["restarted"]), data=data)


if __name__ == "__main__":
    main()
