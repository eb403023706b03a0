# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg knows this very moment, in the middle of its work too: its status file and the journal that goes before it.

dpkg writes each change of a package's state to a numbered file in `updates/`, and merges these into the status file
from time to time, and when it ends. One that was killed leaves them there.
"""

from __future__ import annotations

import os
from typing import Dict, List

from ._apt_view import Key, Paths, native_key
from ._deb822 import paragraph
from ._dpkg import DpkgPackage, parse_status, read_status
from ._files import text_or_none


def packages(paths: Paths) -> Dict[Key, DpkgPackage]:
    """All packages that are there, whole or not. Raises UpkeepError `package_database_damaged`."""
    found = {native_key(each.name, each.arch, paths.native): each for each in read_status(paths.status)}
    for path in journal(paths):
        text = text_or_none(path) or ""
        if not text.strip():
            continue
        fields = paragraph(text)
        found.pop(native_key(fields.get("package", ""), fields.get("architecture", ""), paths.native), None)
        for each in parse_status(text, path):
            found[native_key(each.name, each.arch, paths.native)] = each
    return found


def journal(paths: Paths) -> List[str]:
    """The journal's files, oldest first; [] unless dpkg works or was interrupted."""
    folder = os.path.join(os.path.dirname(paths.status), "updates")
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.isdecimal()]
    except OSError:
        return []


def residues(paths: Paths) -> List[str]:
    """Names of packages that are gone but for their configuration files."""
    text = text_or_none(paths.status) or ""
    blocks = (block for block in text.split("\n\n") if " ok config-files" in block)
    return [paragraph(block).get("package", "") for block in blocks]
