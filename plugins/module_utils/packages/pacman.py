# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pacman: the packages of Arch Linux and its kin.

What does the work is imported when there is work: where nothing changed, the last answer serves without it.
"""

from __future__ import annotations

from typing import List

from .model import Options, PackageState


def collect(options: Options) -> PackageState:
    """The state of this host's packages.

    Raises UpkeepError: `bindings_missing`, `needs_root` (a refresh was demanded), `package_database_damaged`,
    `package_lists_damaged`, `command_failed`.
    """
    from . import _alpm_collect

    return _alpm_collect.collect(options)


def inputs(options: Options) -> List[str]:
    """The files and folders that decide the answer."""
    from . import _alpm_collect

    return _alpm_collect.inputs(options)
