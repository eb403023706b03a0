#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carry the advisory index in one file, out of here or into here."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: advisories_bundle
short_description: Carry the advisory index in one file, into an air gap
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Exports the index of M(proven.upkeep.advisories_update) into one file, or imports such a file.
  - The file is a C(tar.gz) of a manifest (its schema is C(docs/schemas/advisories.json)) and the index. An import
    checks the hash, the version and the tables before it takes anything, and takes all or nothing.
  - Only the sources that the file holds are replaced.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  state:
    description: Whether the file is written or read.
    type: str
    choices: [exported, imported]
    required: true
  path:
    description: The file on the controller. An export to a folder that is there makes a file with the time in its name.
    type: path
    required: true
  force:
    description: Take a file that is older than what is there.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: An import is read, checked and compared; nothing is written.
seealso:
  - module: proven.upkeep.advisories_update
"""

EXAMPLES = r"""
- name: Write the index to a stick
  proven.upkeep.advisories_bundle:
    state: exported
    path: /media/stick
  run_once: true

- name: Take it in on the other side
  proven.upkeep.advisories_bundle:
    state: imported
    path: /media/stick/upkeep-advisories-20261123T083403Z.tar.gz
  run_once: true
"""

RETURN = r"""
file:
  description: The file.
  returned: success
  type: str
  sample: /media/stick/upkeep-advisories-20261123T083403Z.tar.gz
sha256:
  description: Its hash, to compare by another way than the file goes.
  returned: when exported
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
bytes:
  description: Its size.
  returned: when exported
  type: int
  sample: 14204133
sources:
  description: The sources that were written, or taken.
  returned: success
  type: list
  elements: str
  sample: [debian, epss, kev]
manifest:
  description: The file's manifest.
  returned: success
  type: dict
  sample: {schema: upkeep.advisories/1, made: "2026-11-23T08:34:03Z", index_version: 1}
error_code:
  description: What went wrong, for programs. One of C(index_missing), C(index_empty), C(index_damaged),
    C(index_version), C(index_unwritable), C(bundle_missing), C(bundle_damaged), C(bundle_version), C(bundle_older),
    C(bundle_unusable), C(bundle_unwritable), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: bundle_older
"""

# Implemented by the action plugin of the same name.
