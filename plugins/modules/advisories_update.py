#!/usr/bin/python
# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renew the advisory index on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: advisories_update
short_description: Renew the advisory index on the controller
version_added: "0.1.0"
author: The Upkeep maintainers (@proven)
description:
  - Asks each source of security advisories whether it has anything new, and loads what it has into
    C(state/advisories.db) under C(upkeep_home).
  - A source is replaced whole or left as it was. One that fails keeps its rows, says why in the index, and fails the
    task after the others were renewed.
  - What a source gave is kept in C(state/advisories), so that the next time only what changed is fetched.
  - An action plugin that runs on the controller; it makes no connection to the host.
extends_documentation_fragment:
  - proven.upkeep.controller_action
options:
  sources:
    description:
      - The sources to ask, by name. C(docs/advisories.md) lists them.
      - By default those of the distributions in O(releases), and C(kev) and C(epss).
    type: list
    elements: str
    default: []
  releases:
    description:
      - The releases to load, such as V(debian:12), V(ubuntu:22.04), V(alpine:3.22).
      - By default those that the fleet runs, from the last recorded patch level of every host. A source that is named
        in O(sources) and of which no release is known is loaded whole.
    type: list
    elements: str
    default: []
  mirror:
    description:
      - A base URL, or a folder on the controller, below which the sources' files lie, each under its path of
        C(docs/advisories.md).
      - A user and password in the URL are sent to that host alone and never shown.
      - By default each source is asked where its upstream has it.
    type: str
  max_age:
    description: A source that was asked fewer seconds ago is not asked again.
    type: int
    default: 3600
  timeout:
    description: For how many seconds a server may be silent.
    type: int
    default: 30
  attempts:
    description: How often a file is asked for when a server fails; with pauses that double from one second.
    type: int
    default: 4
attributes:
  check_mode:
    support: full
    description: Says which files would be asked for; asks nobody.
seealso:
  - module: proven.upkeep.advisories_bundle
"""

EXAMPLES = r"""
- name: Renew the advisories of what the fleet runs
  proven.upkeep.advisories_update:
  run_once: true

- name: Renew Debian's advisories from a mirror
  proven.upkeep.advisories_update:
    sources: [debian, kev, epss]
    releases: ["debian:12", "debian:13"]
    mirror: https://mirror.example.org/advisories
  run_once: true
"""

RETURN = r"""
index:
  description: The index.
  returned: always
  type: str
  sample: /srv/upkeep/state/advisories.db
generation:
  description: Goes up with every load.
  returned: when not in check mode
  type: str
  sample: "12"
sources:
  description: What became of each source.
  returned: always
  type: list
  elements: dict
  contains:
    source:
      description: Its name.
      type: str
      sample: debian
    state:
      description: C(loaded), C(unchanged) (it has nothing new), C(fresh) (asked recently), C(partial) (what matters is
        current, but a file that only adds to it could not be renewed) or C(failed); in check mode C(would_ask) or
        C(fresh).
      type: str
      sample: loaded
    files:
      description: In check mode, what would be asked for.
      type: list
      elements: str
      sample: ["https://security-tracker.debian.org/tracker/data/json"]
    rows:
      description: How many rows the index holds of it.
      type: int
      sample: 203114
    bytes:
      description: The size of its files.
      type: int
      sample: 71204133
    fetched_at:
      description: When its rows came; null where they never did.
      type: str
      sample: "2026-11-23T08:34:03Z"
    checked_at:
      description: When the upstream last said that they are current.
      type: str
      sample: "2026-11-23T08:34:03Z"
    generated_at:
      description: When the upstream made them, where it says so.
      type: str
      sample: "2026-11-23T06:12:00Z"
    stale:
      description: Whether what depends on it is unknown.
      type: bool
      sample: false
    error_code:
      description: Why it failed, for programs. One of C(feed_unreachable), C(feed_refused), C(feed_too_large),
        C(feed_unexpected), C(feed_missing), C(feed_damaged), C(feed_empty), C(cache_unwritable), C(releases_needed),
        C(zstd_missing), C(bad_mirror).
      type: str
      sample: feed_unreachable
    msg:
      description: Why it failed.
      type: str
      sample: "debian: https://security-tracker.debian.org/tracker/data/json was asked 4 times …"
error_code:
  description: What went wrong, for programs. One of C(sources_failed), C(no_such_source), C(bad_release),
    C(bad_parameter), C(index_damaged), C(index_unwritable), C(home_in_collection), C(home_unwritable).
  returned: failure
  type: str
  sample: sources_failed
"""

# Implemented by the action plugin of the same name.
