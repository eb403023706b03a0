# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a managed host keeps what Upkeep remembers between runs (caches, journals): no evidence, all rebuildable."""

from __future__ import annotations

import os

from ansible_collections.proven.upkeep.plugins.module_utils import atomic


def state_dir() -> str:
    """`UPKEEP_STATE_DIR`, else `/var/lib/upkeep` for root, else below `XDG_STATE_HOME` (default `~/.local/state`).

    The folder is not made here: `ensure` does that, so that check mode can ask without leaving a trace.
    """
    chosen = os.environ.get("UPKEEP_STATE_DIR", "")
    if os.path.isabs(chosen):
        return chosen
    if os.geteuid() == 0:
        return "/var/lib/upkeep"
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification says to ignore a relative one
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "upkeep")


def under(path: str) -> str:
    """`path` itself if it is absolute, else below the state folder."""
    return os.path.join(state_dir(), path)


def needs_root(required: bool) -> str | None:
    """Why a task that is only for root is skipped, or None where it can go on."""
    if required and os.geteuid() != 0:
        return "needs_root: only root can do all of it; run as root, or with become, to include it"
    return None


def ensure(*parts: str) -> str:
    """A folder under the state folder, made where it is missing, each level of it 0700. Raises OSError."""
    folder = os.path.join(state_dir(), *parts)
    atomic.make_folder(folder)
    return folder
