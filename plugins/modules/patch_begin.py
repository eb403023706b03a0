#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The beginning of a patch run on a host: parameters in, what it is like out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_begin
short_description: Claim a host for a patch run, and see what it is like
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Claims the host for one patch run. The claim outlives the task and is given back by M(proven.upkeep.patch_end).
    While it stands no other run changes the host.
  - Finds a run that was cut off in the middle. What changed nothing yet is ended as superseded, everything else is gone
    on with.
  - Waits for a package manager's lock that somebody holds, for at most O(lock_patience) seconds.
  - Looks at health, units, listening ports and installed versions and remembers them on the host, to be compared with
    what is there after the change.
  - Needs root. Keeps what it remembers below C(/var/lib/upkeep/patch).
  - An action plugin fills in O(run_id), O(host), O(by) and O(over). A claim of this controller's whose process is dead
    is taken over. One of another controller's is when it was not renewed for 15 minutes.
attributes:
  check_mode:
    support: full
    description: Claims nothing and writes nothing in check mode. The answer is the same.
  diff_mode:
    support: none
    description: Shows no differences.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  run_id:
    description: The run that begins. By default the run of this process.
    type: str
  host:
    description: What the inventory calls the host. By default the task's host.
    type: str
  by:
    description: Who works on it, as C(user), C(controller) and C(process). By default this process.
    type: dict
  over:
    description: The C(process) of a claim that is known to be dead. By default found out on the controller.
    type: str
  undo:
    description: An earlier run of this host that is to be taken back. It is the one to go on with then.
    type: str
  health:
    description: The checks that tell that the host does its work, as the role patch has them in C(patch_health).
    type: dict
    default: {}
  lock_patience:
    description: Seconds to wait for a lock that another package manager holds.
    type: int
    default: 300
  manager:
    description: The package manager. V(auto) takes the one of the distribution.
    type: str
    choices: [auto, apt, dnf, zypper, apk, pacman]
    default: auto
seealso:
  - module: proven.upkeep.patch_apply
  - module: proven.upkeep.patch_end
"""

EXAMPLES = r"""
- name: Begin a patch run
  proven.upkeep.patch_begin:
    health:
      units: [nginx.service]
      ports: [443]
  become: true
  register: begun
"""

RETURN = r"""
data:
  description: What was found.
  returned: success
  type: dict
  contains:
    run_id:
      description: The run that claimed the host.
      type: str
      returned: success
    patch_id:
      description: The run to work on. An unfinished run's where there is one, else the one that begins.
      type: str
      returned: success
      sample: 20261123T200102Z-4711
    continues:
      description: The state of that unfinished run (C(upkeep.patch_state/1)), V(null) where there is none.
      type: dict
      returned: success
    drained:
      description: Whether an earlier run, unfinished or ended, left the host out of service.
      type: bool
      returned: success
    plan:
      description: The plan of that run, V(null) where there is none.
      type: dict
      returned: success
    job:
      description: Its job as it is now, V(null) where it has none.
      type: dict
      returned: success
    ended:
      description: Earlier runs that had changed nothing and were ended as superseded.
      type: list
      elements: str
      returned: success
    before:
      description:
        - What the host was like before the run. C(checks), C(units), C(listening), C(boot), C(packages) as lists of
          name, architecture and version, C(unfinished) and C(leftovers).
      type: dict
      returned: success
    manager:
      description: The package manager.
      type: str
      returned: success
      sample: apt
    problems:
      description: What speaks against a change, each with a C(code) (C(lock_held), C(health_red), C(not_seen),
        C(half_configured)) and a C(message).
      type: list
      elements: dict
      returned: success
      sample: [{"code": "lock_held", "message": "another package manager works on this host (812 apt-get)"}]
    started:
      description: When this began.
      type: str
      returned: success
    finished:
      description: When this ended.
      type: str
      returned: success
    duration_ms:
      description: How long it took.
      type: int
      returned: success
claim:
  description: The claim that keeps this run from beginning.
  returned: when another run works on the host
  type: dict
error_code:
  description: What went wrong, for programs. One of C(needs_root), C(claimed), C(unfinished_run), C(unknown_run),
    C(invalid_health), C(patch_unreadable), C(state_unwritable), or one of the package manager's.
  returned: failure
  type: str
  sample: claimed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import begin
from ansible_collections.proven.upkeep.plugins.module_utils.patching.timed import timed


def main() -> None:
    """Parse, begin, answer."""
    module = AnsibleModule(
        argument_spec={
            "run_id": {"type": "str"},
            "host": {"type": "str"},
            "by": {"type": "dict"},
            "over": {"type": "str"},
            "undo": {"type": "str"},
            "health": {"type": "dict", "default": {}},
            "lock_patience": {"type": "int", "default": 300},
            "manager": {
                "type": "str",
                "choices": ["auto", "apt", "dnf", "zypper", "apk", "pacman"],
                "default": "auto",
            },
        },
        supports_check_mode=True,
    )
    missing = [name for name in ("run_id", "host", "by") if not module.params[name]]
    if missing:
        module.fail_json(msg=f"{missing[0]} is missing: the action fills it in.", error_code="bad_parameter")
    try:
        request = begin.Request(check_mode=module.check_mode, **module.params)
        data = timed(lambda: begin.begin(request))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=data)


if __name__ == "__main__":
    main()
