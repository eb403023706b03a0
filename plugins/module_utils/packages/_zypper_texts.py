# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What `zypper --xmlout` says, as plain data (its format: /usr/share/zypper/xml/xmlout.rnc)."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Dict, Iterable, List, Set, Tuple
from xml.etree import ElementTree

from ..errors import UpkeepError
from ._refresh_note import without_secrets
from ._rpm_view import Available, Gone, Lock, Step
from ._rpmversion import without_zero

_KINDS = (("to-upgrade", "upgrade"), ("to-downgrade", "downgrade"), ("to-install", "install"))
_PROBLEM = re.compile(r"^\s*Problem(?: \d+)?: (.*)$", re.MULTILINE)
_INVALID = re.compile(r"^\[(?P<alias>[^|\]]+)\|(?P<url>[^\]]*)\] (?P<said>.*)$", re.MULTILINE)
_MESSAGE = re.compile(r"^Error message: (.*)$", re.MULTILINE)


def failed(said: str) -> UpkeepError:
    """zypper gave up, and this is what it says."""
    said = without_secrets(" ".join(said.split())).rstrip(".")
    return UpkeepError(
        "zypper_failed", f"zypper cannot work with its configuration or metadata: {said}. Try `zypper verify`."
    )


def tree(text: str) -> ElementTree.Element:
    """The document that zypper wrote. Raises UpkeepError `zypper_failed` where it is none."""
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise failed(f"what it answers is no XML ({error})")


def messages(root: ElementTree.Element, kind: str = "error") -> List[str]:
    """The texts of messages of one kind."""
    return [(entry.text or "").strip() for entry in root.iter("message") if entry.get("type") == kind]


def repositories(root: ElementTree.Element) -> List[Dict[str, str]]:
    """The attributes of each repository, its address as `url`."""
    return [{**entry.attrib, "url": (entry.findtext("url") or "").strip()} for entry in root.iter("repo")]


def updates(root: ElementTree.Element) -> List[Available]:
    """`list-updates --all`: the newest version of each package for which there is a newer one."""
    found = []
    for entry in root.iter("update"):
        source = entry.find("source")
        if entry.get("kind", "package") == "package":
            repo = source.get("alias", "") if source is not None else ""
            found.append(Available(entry.get("name", ""), entry.get("arch", ""), _evr(entry), repo))
    return found


def plan(root: ElementTree.Element) -> Tuple[List[Step], List[Gone]]:
    """`update --dry-run`: what it would install, the repositories still missing, and what it would remove."""
    install: Dict[Tuple[str, str, str], Step] = {}
    summary = root.find(".//install-summary")
    for section in summary if summary is not None else ():
        for tag, kind in _KINDS:
            if section.tag.startswith(tag):
                for entry in _packages(section):
                    offer = Available(entry.get("name", ""), entry.get("arch", ""), _evr(entry), "")
                    install.setdefault((offer.name, offer.arch, offer.evr), Step(offer, kind))
    remove = [
        Gone(entry.get("name", ""), entry.get("arch", ""), _evr(entry))
        for section in root.iter("to-remove")
        for entry in _packages(section)
    ]
    return list(install.values()), remove


def vendor_changes(root: ElementTree.Element) -> Set[str]:
    """The names of packages whose vendor a transaction would change."""
    return {
        entry.get("name", "")
        for section in root.iter()
        if section.tag.endswith("change-vendor")
        for entry in _packages(section)
    }


def problems(root: ElementTree.Element) -> List[List[str]]:
    """The solver's sentences, each once."""
    texts = "\n".join(entry.text or "" for entry in root.iter() if entry.tag in ("message", "description"))
    return [[sentence] for sentence in dict.fromkeys(_PROBLEM.findall(texts))]


def found(root: ElementTree.Element) -> List[Dict[str, str]]:
    """`search --details`: name, edition, arch and repository (its name) of each package; without details, names."""
    return [dict(entry.attrib) for entry in root.iter("solvable") if entry.get("kind") in (None, "package")]


def locks(root: ElementTree.Element, names: Iterable[str]) -> List[Lock]:
    """`zypper locks`, for the installed packages among `names` that their patterns mean."""
    known = sorted(set(names))
    result = []
    for entry in root.iter("lock"):
        kinds = [(kind.text or "").strip() for kind in entry.findall("type")]
        if kinds and "package" not in kinds:
            continue
        for pattern in ((name.text or "").strip() for name in entry.findall("name")):
            meant = tuple(name for name in known if fnmatchcase(name, pattern))
            if meant:
                result.append(Lock(f"zypper locks: {pattern}", meant, holds=True))
    return result


def refresh_failures(root: ElementTree.Element) -> Dict[str, str]:
    """What `refresh` says of the repositories that failed, by alias."""
    result: Dict[str, str] = {}
    for text in messages(root):
        match = _INVALID.search(text)
        if match:
            why = _MESSAGE.search(text, match.end())
            said = f"{match.group('said')}: {why.group(1)}" if why else f"{match.group('said')} ({match.group('url')})"
            result.setdefault(match.group("alias"), without_secrets(" ".join(said.split())).rstrip("."))
    return result


def _packages(section: ElementTree.Element) -> List[ElementTree.Element]:
    return [entry for entry in section.iter("solvable") if entry.get("type", "package") == "package"]


def _evr(entry: ElementTree.Element) -> str:
    return without_zero(entry.get("edition", ""))
