#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch level of a host in one round trip: parameters in, one document out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patch_level
short_description: Collect what is installed, what is pending and what needs a restart
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Collects the patch level of a host in one go. This covers the installed packages, every pending update with the
    reason where it would not be installed, what a full upgrade would remove, the state of the repositories, the
    running kernel, reboots that are due, services that still run replaced code, and whether the package manager is
    damaged or locked.
  - Changes no package. The package lists are refreshed only where O(refresh) asks for it.
  - What could not be seen is said in RV(data.not_seen), and is V(null) rather than empty.
  - Remembers the package manager's answer below C(/var/lib/upkeep), and gives it again as long as none of the files
    that decide it has changed. Services, locks, free space and the running kernel are looked at each time.
  - Reads apt, dnf 4, dnf5, zypper, apk and pacman.
  - dnf 4 is asked through its Python API, of this interpreter where that has it, else of the interpreter that runs
    C(dnf). dnf5 is asked through libdnf5's bindings or its command, zypper through its command. None of them reaches
    out to a repository unless O(refresh) says so.
  - Advisories, CVEs and severities of rpm packages come from the repositories' own updateinfo. A repository that has
    none is named in RV(data.metadata), since which of its updates are for security cannot be told.
attributes:
  check_mode:
    support: full
    description: Never refreshes the package lists in check mode, whatever O(refresh) says, and remembers nothing.
  diff_mode:
    support: none
    description: Shows no differences.
  platform:
    support: full
    platforms: linux
    description: Works on Linux.
options:
  manager:
    description:
      - The package manager to ask. V(auto) takes the one of the distribution.
    type: str
    choices: [auto, apt, dnf, zypper, apk, pacman]
    default: auto
  refresh:
    description:
      - Whether to renew the package lists first. V(if_stale) does so when they are older than O(max_age) seconds, a
        repository has none, or the last refresh failed.
      - A refresh that fails is no failure of this module. The result says so in RV(data.metadata).
      - Needs root. Without it V(if_stale) goes on with the lists as they are, and V(always) fails.
    type: str
    choices: [never, if_stale, always]
    default: never
  max_age:
    description:
      - The age in seconds from which the package lists are stale.
    type: int
    default: 86400
  scan_services:
    description:
      - Whether to look for processes that run code which is no longer on disk.
    type: bool
    default: true
  bindings:
    description:
      - Whether to use the package manager's Python bindings (python-apt, dnf, libdnf5) where this Python has them. They
        are faster, the answer is the same. zypper has none.
    type: str
    choices: [auto, never, require]
    default: auto
"""

EXAMPLES = r"""
- name: Collect the patch level
  proven.upkeep.patch_level:
  register: patch_level

- name: Collect it from lists that are at most an hour old
  proven.upkeep.patch_level:
    refresh: if_stale
    max_age: 3600
  become: true
"""

RETURN = r"""
data:
  description: The patch level, a document of the schema C(upkeep.patch_level/1).
  returned: success
  type: dict
  contains:
    schema:
      description: The name of the document's schema.
      type: str
      returned: success
      sample: upkeep.patch_level/1
    host:
      description: Distribution, architecture, identity, whether it is a container, and the end of its security updates.
      type: dict
      returned: success
    manager:
      description: The package manager that was asked.
      type: str
      returned: success
      sample: apt
    collector:
      description: Whether the V(bindings) or the V(commands) were used.
      type: str
      returned: success
      sample: bindings
    unchanged_since:
      description:
        - When the package manager was last asked, where nothing that decides its answer has changed since.
        - V(null) if it was asked just now.
      type: str
      returned: success
      sample: "2026-11-23T08:34:03Z"
    tool:
      description: The versions of this collection, Python and the package manager.
      type: dict
      returned: success
    metadata:
      description:
        - When the package lists were refreshed, whether that succeeded (V(null) if it was not tried), whether they are
          stale, the repositories, and every problem with them as a sentence.
        - C(tells_security) is false where the distribution's repositories do not say which updates are security updates
          (apk, pacman). No C(security) means anything then.
      type: dict
      returned: success
    installed:
      description: The installed packages with their source packages and states.
      type: list
      elements: dict
      returned: success
    pending:
      description:
        - The updates. C(blocked_by) is V(null) for those that a full upgrade would install, else C(held), C(pinned),
          C(phased), C(kept_back), C(excluded), C(modular) or C(esm) (needs a subscription), with a sentence in
          C(blocked_detail).
      type: list
      elements: dict
      returned: success
    removals:
      description: What a full upgrade would remove, and why.
      type: list
      elements: dict
      returned: success
    kernel:
      description:
        - The running kernel, the newest installed one of its flavour, and the package version and source package of the
          running one (V(null) in a container and where they cannot be told).
      type: dict
      returned: success
    reboot:
      description: Whether a reboot is required (V(null) in a container and where it cannot be told), and the reasons.
      type: dict
      returned: success
    services_stale:
      description: Units whose processes run code that is no longer on disk. V(null) if that could not be seen.
      type: list
      elements: dict
      returned: success
    sessions_stale:
      description: The same for the sessions of users.
      type: list
      elements: dict
      returned: success
    health:
      description:
        - What would stop an upgrade, such as an interrupted dpkg, broken packages, locks, a full C(/boot).
        - C(boot_full) says whether a kernel as large as the largest one there (C(boot_needed_bytes)) would not fit.
      type: dict
      returned: success
    counts:
      description:
        - How many packages are installed, pending, pending for security (V(null) where repositories do not tell), and
          blocked.
      type: dict
      returned: success
      sample: {"installed": 742, "pending": 123, "security": 80, "blocked": 2}
    not_seen:
      description: What could not be seen, as sentences.
      type: list
      elements: str
      returned: success
error_code:
  description: A stable name for what went wrong.
  returned: failure
  type: str
  sample: manager_unsupported
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.collect import collect
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options


def main() -> None:
    """Parse, collect, answer."""
    module = AnsibleModule(
        argument_spec={
            "manager": {
                "type": "str",
                "choices": ["auto", "apt", "dnf", "zypper", "apk", "pacman"],
                "default": "auto",
            },
            "refresh": {"type": "str", "choices": ["never", "if_stale", "always"], "default": "never"},
            "max_age": {"type": "int", "default": 86400},
            "scan_services": {"type": "bool", "default": True},
            "bindings": {"type": "str", "choices": ["auto", "never", "require"], "default": "auto"},
        },
        supports_check_mode=True,
    )
    if module.params["max_age"] < 0:
        module.fail_json(msg="max_age must be zero or more seconds.", error_code="invalid_option")
    try:
        collected = collect(Options(check_mode=module.check_mode, **module.params))
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=collected.changed, data=collected.document)


if __name__ == "__main__":
    main()
