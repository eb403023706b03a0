# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of feeds and mirrors: taken apart, joined, and shown without what is secret in them. Pure."""

from __future__ import annotations

import base64
import contextlib
import urllib.parse
from pathlib import Path

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


def shown(url: str) -> str:
    """`url` without user, password and query."""
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
        return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return "an address that cannot be read"


def local_folder(mirror: str | None) -> Path | None:
    """The folder that a mirror is, or None for a URL."""
    if not mirror:
        return None
    if mirror.startswith("file://"):
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(mirror).path))
    if "://" in mirror:
        return None
    return Path(mirror).expanduser()


def joined(base: str, name: str) -> str:
    """`name` below the path of `base`, whose query stays."""
    parts = urllib.parse.urlsplit(base)
    path = f"{parts.path.rstrip('/')}/{urllib.parse.quote(name)}"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def apart(url: str) -> tuple[str, str | None]:
    """The URL without credentials, and the header that they make."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UpkeepError("bad_mirror", f"advisories_mirror: {shown(url)} is no http or https address and no folder.")
    user, has_user, host = parts.netloc.rpartition("@")
    bare = urllib.parse.urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not has_user:
        return bare, None
    return bare, "Basic " + base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
