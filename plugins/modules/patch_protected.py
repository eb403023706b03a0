#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a proven backup stands behind a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_protected
short_description: Whether a proven backup stands behind a host
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - By the evidence under C(upkeep_home), looks at each of the host's C(backup_sets) but C(workflows), or at those of
    them that C(patch_backup_sets) names.
  - A set counts where its last archive is complete, was confirmed within C(patch_backup_max_age) seconds, and a drill
    within as many restored the whole of that very archive. A drill of a part, or of the archive's hash, does not count.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
attributes:
  check_mode:
    support: full
    description: It only looks.
seealso:
  - module: proven.upkeep.restore_verify
  - module: proven.upkeep.backup_archive
"""

EXAMPLES = r"""
- name: Look for a proven backup that is young enough
  proven.upkeep.patch_protected:
  register: protected
"""

RETURN = r"""
data:
  description: What was found.
  returned: success
  type: dict
  contains:
    protected:
      description: Whether every set counts, and there is one.
      type: bool
      returned: success
      sample: true
    why:
      description: Why not; V(null) where it is.
      type: str
      returned: success
      sample: "etc: no drill has restored it"
    sets:
      description: Each set. C(proven_at) is when the oldest drill ended that counts, C(age_s) its age in seconds.
      type: list
      elements: dict
      returned: success
      sample:
        - {backup: etc, ok: true, why: null, proven_at: "2026-11-23T09:00:02Z", age_s: 3600, archive_sha256: 9f86d081}
    started:
      description: When it began (UTC).
      type: str
      returned: success
    finished:
      description: When it ended (UTC).
      type: str
      returned: success
    duration_ms:
      description: How long it took.
      type: int
      returned: success
error_code:
  description: >-
    What went wrong, for programs. One of C(invalid_policy), C(bad_run_id), C(home_in_collection),
    C(home_unwritable).
  returned: failure
  type: str
  sample: invalid_policy
"""

# Implemented by the action plugin of the same name.
