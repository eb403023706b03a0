# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fixtures that run playbooks in a clone."""

from __future__ import annotations

from tests.support import clone, clone_at, dies, refuses, small_set

__all__ = ["clone", "clone_at", "dies", "refuses", "small_set"]
