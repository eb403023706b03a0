# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's version, for every document's `tool` (a test holds it equal to galaxy.yml)."""

from __future__ import annotations

VERSION = "0.1.0"
