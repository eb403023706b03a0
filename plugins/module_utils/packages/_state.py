# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where this host keeps what the next collection wants to remember."""

from __future__ import annotations

import os


def state_folder() -> str:
    """`UPKEEP_STATE_DIR`, else `/var/lib/upkeep` for root, else the user's XDG state; in it, `patch_level`."""
    base = os.environ.get("UPKEEP_STATE_DIR")
    if not base and os.geteuid() == 0:
        base = "/var/lib/upkeep"
    if not base:
        home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        base = os.path.join(home, "upkeep")
    return os.path.join(base, "patch_level")
