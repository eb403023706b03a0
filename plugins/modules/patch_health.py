#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a host's health, units, listening sockets and boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_health
short_description: Look at a host's health, and compare it with what it was before a patch run
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Runs health checks on the host, in one go, and looks at its failed and active units, its listening sockets and which
    boot this is.
  - With O(before) it says what is worse than when the patch run began. What comes and goes on a healthy host is no
    difference. Left out are transient units, scopes and sessions, units that are started when somebody asks for them,
    ports that the kernel handed out, and a port's address family.
  - Looks again at what is wrong until O(patience) is over.
  - What is red is a result and no failure of this module. See RV(data.problems).
  - Changes nothing. Of commands the output is thrown away, since it may hold secrets.
attributes:
  check_mode:
    support: full
    description: Looks in the same way, and notes nothing.
  diff_mode:
    support: none
    description: Changes nothing, so that there is nothing to compare.
  platform:
    support: full
    platforms: linux
    description: Works on Linux. Units are seen where systemd runs the host.
options:
  health:
    description:
      - What tells that the host does its work, as C(patch_health) of the role. Each key may be absent.
      - C(units) is a list of units that have to be active.
      - C(ports) is a list of TCP ports that have to accept connections, as V(443) on whatever address of the host
        listens there, or V(127.0.0.1:5432).
      - C(urls) is a list of dictionaries with C(url), and perhaps C(status) (a list of the expected codes, by default
        200), C(contains) (a text in the first megabyte of the answer), C(validate_certs) (by default true), and
        C(timeout) (in seconds, by default 10). They are asked on the host and without a proxy. Redirects are followed,
        but for those that are expected.
      - C(commands) is a list of dictionaries with C(argv), and perhaps C(name) and C(timeout) (in seconds, by default
        30). They have to end with exit code 0. No shell runs them.
    type: dict
    default: {}
  patience:
    description: Seconds in which what is wrong may turn well.
    type: int
    default: 0
  before:
    description: Whether to compare with what the host was like when the run O(patch_id) began.
    type: bool
    default: false
  patch_id:
    description: The patch run, as M(proven.upkeep.patch_begin) returned it.
    type: str
  states:
    description: The run's states so far, noted on the host for whoever continues the run. Needs O(patch_id).
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Does the host do its work?
  proven.upkeep.patch_health:
    health:
      units: [nginx]
      ports: [443]
      urls:
        - url: https://localhost/health
          validate_certs: false
          contains: ok
  become: true

- name: Is anything worse than before the patch run?
  proven.upkeep.patch_health:
    patch_id: 20261123T200102Z-4711
    before: true
    patience: 60
  become: true
"""

RETURN = r"""
data:
  description: How the host is.
  returned: success
  type: dict
  contains:
    checks:
      description:
        - Each health check with its C(kind), C(name), whether it is C(ok) (V(null) where it could not be seen), C(why),
          and C(duration_ms).
      type: list
      elements: dict
      returned: success
      sample: [{kind: unit, name: nginx, ok: true, why: active (running), duration_ms: 12}]
    units:
      description:
        - The units that have failed, those that are active and are to stay so, those that are active on demand, how
          often systemd had to start one again, and whether units could be C(seen) at all.
      type: dict
      returned: success
      sample: {failed: [], active: [nginx.service], on_demand: [], restarts: {}, seen: true}
    listening:
      description: The listening TCP and unconnected UDP sockets, with their process and unit as far as seen.
      type: list
      elements: dict
      returned: success
      sample: [{proto: tcp, address: 0.0.0.0, port: 443, process: nginx, unit: nginx.service}]
    boot:
      description: Which boot this is, and its kernel. A container's new start shows in C(init_started) alone.
      type: dict
      returned: success
      sample: {boot_id: 90a00935-1918-492f-8033-ccac2bb39db7, init_started: 30, kernel: 6.1.0-35-amd64}
    ephemeral:
      description: The first and the last of the ports that the kernel hands out.
      type: list
      elements: int
      returned: success
      sample: [32768, 60999]
    problems:
      description:
        - What is wrong, with C(code) and C(message), and with its C(unit) where it is one. Codes are C(health_red),
          C(not_seen) (a check that could not be made), and compared with before C(unit_failed), C(unit_gone),
          C(unit_crashing), C(port_closed).
      type: list
      elements: dict
      returned: success
      sample: [{code: unit_failed, message: "nginx.service has failed, which it had not before"}]
    not_seen:
      description: What could not be seen, as sentences.
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
  description: What went wrong, for programs. One of C(needs_root), C(invalid_health), C(unknown_run), C(bad_patch_id),
    C(bad_parameter), C(patch_unreadable), C(state_unwritable).
  returned: failure
  type: str
  sample: invalid_health
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import folder, step
from ansible_collections.proven.upkeep.plugins.module_utils.patching.examine import examine


def main() -> None:
    """Parse, look, answer."""
    module = AnsibleModule(
        argument_spec={
            "health": {"type": "dict", "default": {}},
            "patience": {"type": "int", "default": 0},
            "before": {"type": "bool", "default": False},
            "patch_id": {"type": "str"},
            "states": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    given = module.params

    def look() -> dict:
        if given["before"] and not given["patch_id"]:
            raise UpkeepError("bad_parameter", "before: needs patch_id, the run to compare with.")
        before = folder.before_of(given["patch_id"]) if given["before"] else None
        return examine(given["health"], given["patience"], before)

    try:
        data = step.timed(look, given["patch_id"], given["states"], check_mode=module.check_mode)
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, data=data)


if __name__ == "__main__":
    main()
