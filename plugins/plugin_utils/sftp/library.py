# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""paramiko, which speaks SFTP: imported in this one place, so that what only lies near it loads without.

At the top, not where it is needed: Ansible loads an action before it forks, so its workers share one paramiko.
"""

from __future__ import annotations

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

try:
    import paramiko
    from paramiko import sftp

    # What says that a session is over, or that its far side does not speak SFTP.
    BROKEN: tuple[type[Exception], ...] = (EOFError, paramiko.SSHException, paramiko.SFTPError)
except ImportError:
    paramiko = sftp = None  # type: ignore[assignment]
    BROKEN = (EOFError,)

__all__ = ["BROKEN", "paramiko", "require", "sftp"]


def require() -> None:
    """Raise UpkeepError `paramiko_missing` where there is none."""
    if paramiko is None:
        raise UpkeepError(
            "paramiko_missing",
            "The Python library paramiko is missing on the controller; it speaks SFTP: `pip install paramiko`, or "
            "`make` sets up a .venv that has it.",
        )
