#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan applied, or taken back, by a detached job: parameters in, what came of it out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_apply
short_description: Apply a plan, or take it back, in a job that outlives the connection
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Applies the plan that M(proven.upkeep.patch_plan) made and M(proven.upkeep.patch_protect) fetched, exactly that, or
    refuses with C(plan_moved) where the package manager would do anything else by now. Nothing is changed then.
  - The package manager runs in a transient systemd unit (C(upkeep-patch-<plan>)), or in a session of its own where
    there is no systemd. A lost connection, a killed controller, a restarted sshd or an upgraded systemd do not reach
    it. A job that runs or ran is found again by the next task or run.
  - A job that died (the machine was switched off) is repaired and finished.
  - The action plugin asks every few seconds, says about twice a minute what the package manager says, and connects anew
    where the connection is lost.
  - Needs root.
attributes:
  check_mode:
    support: full
    description: Starts nothing in check mode. RV(data.changed) is what would be changed.
  diff_mode:
    support: none
    description: Shows no differences.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  patch_id:
    description: The run whose plan it is.
    type: str
    required: true
  plan_sha256:
    description: The plan's hash. Another plan than that is not applied.
    type: str
    required: true
  direction:
    description: V(apply) does what is planned, V(back) installs the versions before from what was kept.
    type: str
    choices: [apply, back]
    default: apply
  wait:
    description: Seconds to wait for the job's end in one go.
    type: int
    default: 15
  timeout:
    description:
      - Seconds after which the action gives up with C(apply_timeout). The job goes on, the next run finds it.
    type: int
    default: 3600
  reconnect_s:
    description: For how many seconds the action tries to connect anew.
    type: int
    default: 300
  process:
    description: The run's process, whose claim the host has to have. By default this process.
    type: str
  states:
    description: The run's state entries so far, for the host's own memory of the run.
    type: list
    elements: dict
seealso:
  - module: proven.upkeep.patch_begin
  - module: proven.upkeep.patch_end
"""

EXAMPLES = r"""
- name: Apply the plan
  proven.upkeep.patch_apply:
    patch_id: "{{ begun.data.patch_id }}"
    plan_sha256: "{{ plan.data.plan_sha256 }}"
  become: true

- name: Take it back
  proven.upkeep.patch_apply:
    patch_id: "{{ begun.data.patch_id }}"
    plan_sha256: "{{ plan.data.plan_sha256 }}"
    direction: back
  become: true
"""

RETURN = r"""
data:
  description: What is known of the job. Also returned where the job failed, died, or goes on after O(timeout).
  returned: when there is a job
  type: dict
  contains:
    job:
      description: One of C(running), C(ok), C(failed), C(died). V(null) in check mode where there is none.
      type: str
      returned: success
      sample: ok
    direction:
      description: As asked for.
      type: str
      returned: success
    steps:
      description: The commands with their exit codes. C(rc) is V(null) for one that has no end.
      type: list
      elements: dict
      returned: success
      sample: [{"name": "install", "rc": 0, "started": "2026-11-23T20:01:02Z", "finished": "2026-11-23T20:01:43Z"}]
    failed_step:
      description: The first step that failed.
      type: str
      returned: success
    why:
      description: What the step that failed said of it, V(null) where none failed or it said nothing.
      type: str
      returned: success
      sample: "dpkg: error processing package lib (--configure): its postinst returned error exit status 3"
    progress:
      description: The last line that was said.
      type: str
      returned: success
    log:
      description: The end of what was said, at most 256 KiB, once the job has ended.
      type: str
      returned: success
    changed:
      description: What is installed now in another version than when the job started.
      type: list
      elements: dict
      returned: success
      sample: [{"name": "openssl", "arch": "amd64", "from": "3.0.14-1", "to": "3.0.15-1"}]
    config_leftovers:
      description: Files that the package manager left beside edited configuration files in this run.
      type: list
      elements: str
      returned: success
    unfinished:
      description: Packages in a state between, as sentences.
      type: list
      elements: str
      returned: success
    unit:
      description: The transient unit. V(null) where there is no systemd.
      type: str
      returned: success
    reattached:
      description: Whether an earlier run had started the job.
      type: bool
      returned: success
    repaired:
      description: Whether the job had died and was finished by another try.
      type: bool
      returned: success
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
error_code:
  description: What went wrong, for programs. One of C(apply_failed), C(apply_died), C(apply_timeout), C(apply_running),
    C(plan_moved), C(plan_changed), C(unfinished), C(claim_lost), C(needs_root), C(unknown_run), C(job_not_started),
    C(patch_unreadable), C(state_unwritable), or one of the package manager's.
  returned: failure
  type: str
  sample: plan_moved
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import apply
from ansible_collections.proven.upkeep.plugins.module_utils.patching.timed import timed

_OF_THE_ACTION = ("timeout", "reconnect_s")


def main() -> None:
    """Parse, apply, answer."""
    module = AnsibleModule(
        argument_spec={
            "patch_id": {"type": "str", "required": True},
            "plan_sha256": {"type": "str", "required": True},
            "direction": {"type": "str", "choices": ["apply", "back"], "default": "apply"},
            "wait": {"type": "int", "default": 15},
            "timeout": {"type": "int", "default": 3600},
            "reconnect_s": {"type": "int", "default": 300},
            "process": {"type": "str"},
            "states": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    given = {name: value for name, value in module.params.items() if name not in _OF_THE_ACTION}
    try:
        request = apply.Request(check_mode=module.check_mode, **given)
        data = timed(lambda: apply.run(request))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=bool(data["changed"]), data=data)


if __name__ == "__main__":
    main()
