# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: archive_fetch
short_description: Bring an archive and its manifest to the controller
version_added: "0.1.0"
author:
  - The Upkeep maintainers (@proven)
description:
  - Copies an archive of M(proven.upkeep.backup_archive), and the manifest beside it, from the host into a folder of the
    controller. Piece by piece, so memory stays bounded however large it is, with become too.
  - An archive that is replaced meanwhile is fetched anew, once.
  - Nothing is verified here, M(proven.upkeep.restore_elsewhere) does that.
  - An action plugin that calls the module of this name on the host for each piece.
options:
  archive:
    description:
      - The archive on the host. A relative path is below the state folder, as for M(proven.upkeep.backup_archive).
      - For a C(.tar.zst) that is not there, the C(.tar.gz) is taken that is written where libzstd is missing.
    type: path
    required: true
  dest:
    description: The folder on the controller, made (0700) where it is missing. Not used on the host.
    type: path
  slice:
    description: How many bytes one piece has, 16 MiB at most.
    type: int
    default: 8388608
  requires_root:
    description: Skip, and say so, unless the module runs as root.
    type: bool
    default: false
  which:
    description: Internal. Which of the two files a piece is of.
    type: str
    choices: [archive, manifest]
    default: archive
  offset:
    description: Internal. Where a piece begins.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: Brings nothing, and says that it is skipped.
  diff_mode:
    support: none
    description: There is nothing to compare before and after.
"""

EXAMPLES = r"""
- name: Bring the archive of /etc to the controller
  proven.upkeep.archive_fetch:
    archive: archives/etc.tar.zst
    dest: "{{ lookup('proven.upkeep.home') }}/state/drill/{{ inventory_hostname }}"
"""

RETURN = r"""
archive:
  description: The archive on the controller.
  returned: success
  type: str
  sample: /srv/upkeep/state/drill/web1/etc.tar.zst
manifest:
  description: The manifest on the controller; null where the host has none beside the archive.
  returned: success
  type: str
  sample: /srv/upkeep/state/drill/web1/etc.tar.zst.manifest.jsonl.gz
origin:
  description: The archive on the host.
  returned: success
  type: str
  sample: /var/lib/upkeep/archives/etc.tar.zst
machine:
  description: The host that it came from, as it names itself.
  returned: success
  type: dict
  sample: {nodename: web1, machine_id: 0123456789abcdef0123456789abcdef}
error_code:
  description: What went wrong, for programs. One of C(bad_parameter), C(archive_missing), C(archive_unreadable),
    C(archive_changed), C(controller_full), C(fetch_failed).
  returned: failure
  type: str
  sample: archive_missing
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import codecs, slices
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "slice": {"type": "int", "default": 8388608},
            "requires_root": {"type": "bool", "default": False},
            "which": {"type": "str", "choices": ["archive", "manifest"], "default": "archive"},
            "offset": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    given = module.params
    if reason := state.needs_root(given["requires_root"]):
        module.exit_json(changed=False, skipped=True, skip_reason=reason)
    try:
        archive = codecs.written_as(state.under(given["archive"]))
        found = slices.read(archive, given["which"], given["offset"], given["slice"])
    except UpkeepError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
