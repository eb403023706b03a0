# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests against real servers share. Each server's fixture is in a file of its own beside this one."""

from __future__ import annotations
