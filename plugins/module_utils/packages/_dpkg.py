# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dpkg has installed, from its own files (deb formats: dpkg's status file, apt's extended_states).

Read directly, not through dpkg-query: no process, the same answer with and without python-apt, and the dependency
fields that explain a kept-back package come along.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Optional

from ..errors import UpkeepError
from ._deb822 import paragraphs, source_of
from ._files import read_text, text_or_none
from .model import Installed, KernelPackage

DEPENDENCY_FIELDS = ("depends", "pre-depends", "recommends", "conflicts", "breaks", "provides", "multi-arch")
_WANTED = ("package", "status", "architecture", "version", "source", *DEPENDENCY_FIELDS)
_FIELD = re.compile(rf"^({'|'.join(_WANTED)}):[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
_GONE = ("not-installed", "config-files")
_STATES = (*_GONE, "half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed")
_SIGNED = re.compile(r"^linux-signed(?:-(?:amd64|arm64|i386)$)?")
_KERNEL = re.compile(r"^linux-image-(?:unsigned-)?(\d.*)$")


@dataclass(frozen=True)
class DpkgPackage:
    """A paragraph of the status file: `fields` holds what explains dependencies, by lower-case name."""

    name: str
    arch: str
    version: str
    state: str
    held: bool
    fields: dict[str, str]


def read_status(path: str) -> list[DpkgPackage]:
    """The packages that the status file at `path` lists, without those of which only configuration files are left.

    Raises UpkeepError `package_database_damaged` when it cannot be read or makes no sense.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror}")
    return parse_status(text, path)


def parse_status(text: str, path: str = "dpkg's status file") -> list[DpkgPackage]:
    """`read_status` for a text."""
    if not text.strip():
        raise _damaged(path, "is empty")
    found = []
    for number, block in enumerate(filter(str.strip, text.split("\n\n")), 1):
        fields = {name.lower(): value for name, value in _FIELD.findall(block)}
        words = fields.get("status", "").split()
        name = fields.get("package", "")
        if not name or len(words) != 3 or words[2] not in _STATES:
            raise _damaged(path, f"has no valid Package and Status in its paragraph {number}: {_first_line(block)}")
        if words[2] in _GONE:
            continue
        if not fields.get("version") and words[2] != "half-installed":
            raise _damaged(path, f"names no version of {name}, which it calls {words[2]}")
        state = "reinst-required" if words[1] == "reinstreq" else words[2]
        arch = fields.get("architecture", "")
        found.append(DpkgPackage(name, arch, fields.get("version", ""), state, words[0] == "hold", fields))
    return found


def parse_auto(text: str) -> set[tuple[str, str]]:
    """(name, architecture) of every package that apt's extended_states calls automatically installed."""
    return {
        (fields["package"], fields.get("architecture", ""))
        for fields in paragraphs(text)
        if fields.get("auto-installed") == "1" and "package" in fields
    }


def read_auto(path: str) -> set[tuple[str, str]]:
    """`parse_auto` of a file; one that is not there says that nothing is (apt does the same)."""
    return parse_auto(text_or_none(path) or "")


def installed_list(packages: list[DpkgPackage], auto: set[tuple[str, str]], native: str) -> list[Installed]:
    """The document's `installed`. apt keeps its automatic marks of `all` packages under the native architecture."""
    result = []
    for package in packages:
        source_name, source_version = source_of(package.fields)
        marked = (package.name, native if package.arch == "all" else package.arch) in auto
        result.append(
            Installed(
                name=package.name,
                arch=package.arch,
                version=package.version,
                source_name=source_name,
                source_version=source_version,
                held=package.held,
                auto=marked,
                state=package.state,
            )
        )
    result.sort(key=lambda entry: (entry.name, entry.arch))
    return result


def kernels(packages: list[DpkgPackage]) -> list[KernelPackage]:
    """The kernels that are installed: a `linux-image-<release>` package each (metapackages name no release)."""
    matches = ((_KERNEL.match(package.name), package) for package in packages if package.state == "installed")
    return [
        KernelPackage(match.group(1), package.version, _kernel_source(package)) for match, package in matches if match
    ]


def _kernel_source(package: DpkgPackage) -> Optional[str]:
    # Signed images are built from a source of their own (linux-signed-amd64, linux-signed-aws); advisories name the one
    # that was signed.
    return _SIGNED.sub("linux", source_of(package.fields)[0]) if "source" in package.fields else None


def is_interrupted(status_path: str) -> bool:
    """Whether dpkg left a journal behind (`updates/` beside the status file), as it does when it is stopped midway."""
    try:
        return any(name.isdecimal() for name in os.listdir(os.path.join(os.path.dirname(status_path), "updates")))
    except OSError:
        return False


def _first_line(block: str) -> str:
    return repr(block.strip("\n").split("\n")[0][:60])


def _damaged(path: str, what: str) -> UpkeepError:
    message = f"The package database {path} {what}; dpkg keeps older copies in /var/backups/dpkg.status.*."
    return UpkeepError("package_database_damaged", message, path=path)
