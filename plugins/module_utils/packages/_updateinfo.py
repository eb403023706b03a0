# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository's advisories, its updateinfo.xml: whether any is for security, and what they say of which packages.

The format is that of createrepo_c and SUSE's `patch` metadata; dnf and libzypp read the same file.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Collection, Iterator, List, Optional
from xml.etree import ElementTree

from .. import times
from ._rpm_view import Advisory

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "lzma"}
_ZSTD = b"\x28\xb5\x2f\xfd"
_DATE = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?")
_CHUNK = 1 << 16
_MARKS = (b'type="security"', b"type='security'")
_LONGEST = max(map(len, _MARKS))


def has_security(path: str) -> Optional[bool]:
    """Read up to the first security advisory. None where the file cannot be read (zchunk, damaged)."""
    tail = b""
    try:
        for chunk in _chunks(path):
            text = tail + chunk
            if any(mark in text for mark in _MARKS):
                return True
            tail = text[-_LONGEST:]
    except Exception:  # each codec has its own errors, and all of them mean the same here
        return None
    return False


def read(path: str, names: Collection[str]) -> Optional[List[Advisory]]:
    """The advisories that speak of packages with these names, as far as they do; None where it cannot be read."""
    found: List[Advisory] = []
    parser: Any = ElementTree.XMLPullParser(["end"])
    try:
        for chunk in _chunks(path):
            parser.feed(chunk)
            for _event, entry in parser.read_events():
                if entry.tag == "update":
                    advisory = _advisory(entry, names)
                    if advisory.packages:
                        found.append(advisory)
                    entry.clear()
        parser.close()  # which says whether the document is whole
    except Exception:  # as above: damaged, or compressed in a way that cannot be read
        return None
    return found


def _advisory(entry: ElementTree.Element, names: Collection[str]) -> Advisory:
    packages = set()
    for package in entry.iter("package"):
        name, epoch = package.get("name", ""), package.get("epoch") or "0"
        if name in names:
            evr = f"{package.get('version', '')}-{package.get('release', '')}"
            packages.add((name, package.get("arch", ""), evr if epoch == "0" else f"{epoch}:{evr}"))
    references = entry.findall("references/reference")
    return Advisory(
        id=(entry.findtext("id") or "").strip(),
        type=entry.get("type", "unknown"),
        severity=(entry.findtext("severity") or "").strip() or None,
        published=_date(entry),
        cves=tuple(sorted({each.get("id", "") for each in references if each.get("type") == "cve"})),
        packages=tuple(sorted(packages)),
    )


def _date(entry: ElementTree.Element) -> Optional[str]:
    """`issued` or `updated`: `2026-03-01 10:00:00`, `2026-03-01`, or (SUSE) seconds since the epoch."""
    for tag in ("issued", "updated"):
        element = entry.find(tag)
        text = (element.get("date", "") if element is not None else "").strip()
        if text.isdecimal():
            return times.from_timestamp(int(text))
        match = _DATE.match(text)
        if match:
            return f"{match.group(1)}T{match.group(2) or '00:00:00'}Z"
    return None


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as raw:  # noqa: PTH123
        head = raw.read(6)
        raw.seek(0)
        if head.startswith(_ZSTD):
            from .. import unzst

            yield from unzst.chunks(raw)
            return
        codec = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        if codec is None and not head.lstrip().startswith(b"<"):
            raise ValueError("no XML, and compressed in a way that is not known here")
        stream = importlib.import_module(codec).open(raw) if codec else raw
        yield from iter(lambda: stream.read(_CHUNK), b"")
