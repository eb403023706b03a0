# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which machine this is, for evidence that has to name it."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional


def machine() -> Dict[str, Any]:
    """{"nodename", "machine_id"}; the id (machine-id(5)) is null where there is none."""
    return {"nodename": os.uname().nodename, "machine_id": _machine_id()}


def _machine_id() -> Optional[str]:
    try:
        with open("/etc/machine-id", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
            return stream.read(64).strip() or None
    except OSError:
        return None
